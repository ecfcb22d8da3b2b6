"""First step of the migration: writes the admin's password to PGPASSFILE; creates the database of DATABASE_URL and the
key that signs vendors' tokens where they are missing. The private key is stored in Secrets Manager only.

Runs in the application's image; in the steps after it, libpq reads the password file.
"""

import json
import os
from pathlib import Path
from typing import Any

import boto3
import psycopg
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo


def main() -> None:
    secrets = boto3.client("secretsmanager")
    secret = secrets.get_secret_value(SecretId=os.environ["ADMIN_SECRET_ARN"])
    password = json.loads(secret["SecretString"])["password"]
    file = Path(os.environ["PGPASSFILE"])
    file.touch(mode=0o600)
    file.write_text(f"*:*:*:*:{_escaped(password)}\n")
    _database(os.environ["DATABASE_URL"])
    _signing_key(secrets, os.environ["SIGNING_SECRET_ARN"])


def _escaped(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _database(url: str) -> None:
    wanted = str(conninfo_to_dict(url)["dbname"])
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as admin:
        there = admin.execute("SELECT FROM pg_database WHERE datname = %s", (wanted,)).fetchone()
        if there is None:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(wanted)))


def _signing_key(secrets: Any, arn: str) -> None:
    try:
        secrets.get_secret_value(SecretId=arn)
    except secrets.exceptions.ResourceNotFoundException:  # the secret exists without a value
        key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"private_key": key.decode()}))


if __name__ == "__main__":
    main()
