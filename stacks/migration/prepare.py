"""First step of the migration: the admin's password into PGPASSFILE, and the database of DATABASE_URL where it is new.

Runs in the application's image; PostgreSQL's own library reads the file in the steps after it.
"""

import json
import os
from pathlib import Path

import boto3
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo


def main() -> None:
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["ADMIN_SECRET_ARN"])
    password = json.loads(secret["SecretString"])["password"]
    file = Path(os.environ["PGPASSFILE"])
    file.touch(mode=0o600)
    file.write_text(f"*:*:*:*:{_escaped(password)}\n")
    _database(os.environ["DATABASE_URL"])


def _escaped(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _database(url: str) -> None:
    wanted = str(conninfo_to_dict(url)["dbname"])
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as admin:
        there = admin.execute("SELECT FROM pg_database WHERE datname = %s", (wanted,)).fetchone()
        if there is None:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(wanted)))


if __name__ == "__main__":
    main()
