"""Last step of the migration: creates the database login of each process and grants it its one role.

Other logins can't connect to the database, such as those of pull requests' previews on the same server.
No login has a password: on RDS a process logs in with an IAM token (rds_iam) that is valid for 15 minutes. Runs in the
application's image and reads its table of logins.
"""

import os

import psycopg
from psycopg.sql import SQL, Identifier

from app.logins import LOGINS

TOKENS = "rds_iam"


def make(admin: psycopg.Connection) -> None:
    """Grants each login its role and revokes every other."""
    roles = {name for (name,) in admin.execute("SELECT rolname FROM pg_roles").fetchall()}
    for login, role in LOGINS.items():
        if login not in roles:
            admin.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(login)))
        wanted = {role, TOKENS} & roles
        memberships = admin.execute(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole", (login,)
        ).fetchall()
        granted = {name for (name,) in memberships}
        for other in granted - wanted:
            admin.execute(SQL("REVOKE {} FROM {}").format(Identifier(other), Identifier(login)))
        for missing in wanted - granted:
            admin.execute(SQL("GRANT {} TO {}").format(Identifier(missing), Identifier(login)))
    database = Identifier(admin.info.dbname)
    admin.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for login in LOGINS:
        admin.execute(SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, Identifier(login)))


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        make(database)
