"""Databases of pull requests' previews on the server of the environment that hosts them.

A preview's database belongs to a login of the same name, which may connect to no database of the host.
"""

from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier, Literal

from app.errors import Conflict
from app.logins import OWNER

# Of PostgreSQL and RDS; they hold nothing of ours.
_SERVERS_OWN = ["postgres", "rdsadmin", "template1"]
_GRANTED = (OWNER, "rds_iam")
"""The role that owns the journal's tables, in each database its own ones; and the role that logs in by IAM token."""

# An API pod takes 16, a preview has up to four at once, and its functions take one or two each. Aurora with 4 ACU takes
# about 800: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.setting-capacity.html
_CONNECTIONS = 100


def make_database(admin: Connection[Any], name: str) -> None:
    """Create a login and its database if missing. `admin` is in autocommit mode.

    Raises Conflict if the login could connect to a database that is no preview's.
    """
    admin.execute("SET createrole_self_grant = 'set, inherit'")  # RDS's admin is no superuser
    is_new = not _exists(admin, name)
    if is_new:
        limited = SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {}")
        admin.execute(limited.format(Identifier(name), Literal(_CONNECTIONS)))
    for role in _GRANTED:
        if _exists(admin, role):
            admin.execute(SQL("GRANT {} TO {}").format(Identifier(role), Identifier(name)))
    if others := _others(admin, name):
        if is_new:
            admin.execute(_with(SQL("DROP ROLE {}"), name))
        raise Conflict(f"{name} could connect to {', '.join(others)}: migrate there first, which closes it to others")
    _make_closed(admin, name)


def _make_closed(admin: Connection[Any], name: str) -> None:
    """Create the login's database if missing, and close it to all other logins before anybody can connect."""
    if admin.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
        create = SQL("CREATE DATABASE {} OWNER {} ALLOW_CONNECTIONS false")
        admin.execute(create.format(Identifier(name), Identifier(name)))
    admin.execute(_with(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC"), name))
    admin.execute(_with(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true"), name))


def drop_database(admin: Connection[Any], name: str) -> None:
    """Drop a preview's database and login, even if processes are still connected; do nothing if they do not exist."""
    admin.execute(_with(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"), name))
    admin.execute(_with(SQL("DROP ROLE IF EXISTS {}"), name))


def _exists(admin: Connection[Any], role: str) -> bool:
    return admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None


def _others(admin: Connection[Any], login: str) -> list[str]:
    """Return the databases, except those of previews, that the login may connect to.

    Other previews' databases are left out because their owners decide who may connect to them.
    """
    rows = admin.execute(
        """
        SELECT datname FROM pg_database
        WHERE datallowconn AND datname !~ '^pr_[0-9]+$' AND datname <> ALL (%(servers_own)s)
          AND has_database_privilege(%(login)s, oid, 'CONNECT')
        ORDER BY datname
        """,
        {"login": login, "servers_own": _SERVERS_OWN},
    )
    return [name for (name,) in rows.fetchall()]


def _with(statement: SQL, name: str) -> Composed:
    return statement.format(Identifier(name))
