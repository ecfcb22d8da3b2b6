"""Last step of the migration: the logins that processes have in AWS, each with its one role.

No login has a password: on RDS they show an IAM token (rds_iam), which lives 15 minutes. Runs in the application's
image, whose table of logins it reads.
"""

import os

import psycopg
from psycopg.sql import SQL, Identifier

from app.logins import LOGINS

TOKENS = "rds_iam"


def make(admin: psycopg.Connection) -> None:
    """Brings each login to its role and takes any other from it."""
    roles = {name for (name,) in admin.execute("SELECT rolname FROM pg_roles").fetchall()}
    for login, role in LOGINS.items():
        if login not in roles:
            admin.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(login)))
        wanted = {role, TOKENS} & roles
        memberships = admin.execute(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole", (login,)
        ).fetchall()
        held = {name for (name,) in memberships}
        for other in held - wanted:
            admin.execute(SQL("REVOKE {} FROM {}").format(Identifier(other), Identifier(login)))
        for missing in wanted - held:
            admin.execute(SQL("GRANT {} TO {}").format(Identifier(missing), Identifier(login)))


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        make(database)
