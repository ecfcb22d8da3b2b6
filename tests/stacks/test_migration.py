"""The migration's steps as the Job runs them, on real PostgreSQL, with moto as Secrets Manager."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from app.local import postgres
from app.logins import LOGINS
from app.migrations import rights
from app.signing import Signer
from cloud import migration

SCRIPTS = Path(migration.__file__).parent.parent.parent / "stacks" / "migration"


@pytest.fixture
def rds(tmp_path: Path) -> Iterator[postgres.Server]:
    """A server of its own, because roles belong to a server and none of the schema's may exist yet."""
    with postgres.start(tmp_path / "postgres", durable=False) as running:
        with psycopg.connect(running.url("postgres"), autocommit=True) as superuser:
            for statement in AS_ON_RDS:
                superuser.execute(statement)
        yield running


@pytest.fixture
def environment(rds: postgres.Server, tmp_path: Path) -> Iterator[dict[str, str]]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PGPASSFILE": str(tmp_path / "pgpass"),
        "DATABASE_URL": admins(rds.url("pr_123")),
    }
    secrets = manager(variables)
    secret = json.dumps({"username": "rewards_admin", "password": r"a:b\c"})
    variables["ADMIN_SECRET_ARN"] = secrets.create_secret(Name="admin", SecretString=secret)["ARN"]
    variables["SIGNING_SECRET_ARN"] = secrets.create_secret(Name="vendor-tokens")["ARN"]
    yield variables
    moto.stop()


# RDS's master user is no superuser; rds_iam is there, and it may give it away.
AS_ON_RDS = (
    "CREATE ROLE rewards_admin LOGIN CREATEDB CREATEROLE PASSWORD 'a:b\\c'",
    "CREATE ROLE rds_iam NOLOGIN",
    "GRANT rds_iam TO rewards_admin WITH ADMIN OPTION",
)


def admins(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(netloc=f"rewards_admin@127.0.0.1:{urlsplit(url).port}"))


def manager(variables: dict[str, str]) -> Any:
    return boto3.client(
        "secretsmanager",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106
    )


def signing_key(variables: dict[str, str]) -> str:
    value: str = json.loads(
        manager(variables).get_secret_value(SecretId=variables["SIGNING_SECRET_ARN"])["SecretString"]
    )["private_key"]
    return value


def step(environment: dict[str, str], *command: str) -> None:
    subprocess.run([sys.executable, *command], env={**os.environ, **environment}, check=True)


@pytest.mark.slow
def test_the_steps_make_database_schema_logins_and_signing_key_and_may_run_again(
    rds: postgres.Server, environment: dict[str, str], tmp_path: Path
) -> None:
    keys: set[str] = set()
    for _ in range(2):
        step(environment, str(SCRIPTS / "prepare.py"))
        step(environment, *migration._SCHEMA)
        step(environment, str(SCRIPTS / "logins.py"))
        keys.add(signing_key(environment))
    (key,) = keys
    (tmp_path / "key.pem").write_text(key)
    assert Signer.read(tmp_path / "key.pem", "rewards").jwks()["keys"]
    passwords = Path(environment["PGPASSFILE"])
    assert passwords.read_text() == "*:*:*:*:a\\:b\\\\c\n"
    assert passwords.stat().st_mode & 0o777 == 0o600
    with psycopg.connect(rds.url("pr_123")) as admin:
        assert admin.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        assert rights.granted(admin) == rights.declared(admin)
        memberships = admin.execute(
            """SELECT m.rolname, array_agg(r.rolname ORDER BY r.rolname)
               FROM pg_auth_members JOIN pg_roles m ON m.oid = member JOIN pg_roles r ON r.oid = roleid
               WHERE m.rolcanlogin AND m.rolname <> 'rewards_admin' AND NOT m.rolsuper GROUP BY 1"""
        ).fetchall()
        assert dict(memberships) == {login: sorted([role, "rds_iam"]) for login, role in LOGINS.items()}
