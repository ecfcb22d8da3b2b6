"""Make or drop the database and namespace of a pull request's preview; the preview's Pulumi stack calls the handler.

The handler runs in the environment that hosts previews, and logs in as its database's admin.
"""

import json
import os
from typing import Any

import psycopg

from app import aws, kubernetes
from app.hosting import service
from app.hosting.namespaces import Namespaces


def handler(event: dict[str, Any], context: object) -> dict[str, str]:  # noqa: ARG001  Lambda passes it
    """Take {"preview": "pr-123", "tf": {"action": "create"}}; the action, which Pulumi adds, is also update or delete.

    Repeated calls end in the same state.
    """
    preview = str(event["preview"])
    database = service.database_of(preview)
    do = service.end if event["tf"]["action"] == "delete" else service.begin
    with _admin() as admin:
        do(admin, Namespaces(kubernetes.of_cluster(os.environ["CLUSTER"])), preview)
    return {"namespace": preview, "database": database}


def _admin() -> psycopg.Connection[Any]:
    secret = aws.client("secretsmanager").get_secret_value(SecretId=os.environ["DATABASE_ADMIN_ARN"])
    password = json.loads(secret["SecretString"])["password"]
    return psycopg.connect(os.environ["REWARDS_DATABASE_URL"], password=password, autocommit=True)
