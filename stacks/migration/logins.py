"""Last step of the migration: the logins of logins.sql, which lies beside this file."""

import os
from pathlib import Path

import psycopg

if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as admin:
        admin.execute((Path(__file__).parent / "logins.sql").read_bytes())
