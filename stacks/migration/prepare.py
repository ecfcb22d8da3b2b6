"""First step of the migration: writes the password of DATABASE_URL's login to PGPASSFILE, and creates the key that
signs vendors' tokens where it is missing. The private key is stored in Secrets Manager only.

The admin's password is in Secrets Manager. A preview migrates as its database's owner, who logs in with an IAM token.
Runs in the application's image; in the steps after it, libpq reads the password file.
"""

import json
import os
from pathlib import Path
from typing import Any

import boto3
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg.conninfo import conninfo_to_dict


def main() -> None:
    secrets = boto3.client("secretsmanager")
    file = Path(os.environ["PGPASSFILE"])
    file.touch(mode=0o600)
    file.write_text(f"*:*:*:*:{_escaped(_password(secrets))}\n")
    _signing_key(secrets, os.environ["SIGNING_SECRET_ARN"])


def _password(secrets: Any) -> str:
    if arn := os.environ.get("ADMIN_SECRET_ARN"):
        return str(json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])["password"])
    login = conninfo_to_dict(os.environ["DATABASE_URL"])
    token = boto3.client("rds").generate_db_auth_token(str(login["host"]), int(str(login["port"])), str(login["user"]))
    return str(token)


def _escaped(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _signing_key(secrets: Any, arn: str) -> None:
    try:
        secrets.get_secret_value(SecretId=arn)
    except secrets.exceptions.ResourceNotFoundException:  # the secret exists without a value
        key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"private_key": key.decode()}))


if __name__ == "__main__":
    main()
