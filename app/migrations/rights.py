"""Grant the rights that `app.logins` declares, and revoke all others."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from psycopg import Connection

from app.logins import OWNER, ROLES

PUBLIC = "PUBLIC"


class Right(NamedTuple):
    """A privilege (`may`: SELECT, UPDATE (state), …) that a role (`to`) has on an object (`on`: TABLE lots, …)."""

    to: str
    on: str
    may: str


_MAKE_ROLE = """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
            CREATE ROLE {role} NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- another database's migration made it at the same moment
    END $$
"""
_JOIN_OWNER = f"""
    DO $$ BEGIN
        IF NOT pg_has_role('{OWNER}', 'MEMBER') THEN
            GRANT {OWNER} TO CURRENT_USER;
        END IF;
        -- CREATE, or it could own nothing there
        EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO {OWNER}', current_schema());
    END $$
"""


def make_roles(connection: Connection[Any]) -> None:
    """Create missing roles. Roles belong to the whole server, so another database's migration may have created them."""
    # RDS's admin is no superuser: without this it could not act as the roles that it creates.
    connection.execute("SET createrole_self_grant = 'set, inherit'")
    for role in (OWNER, *ROLES):
        connection.execute(_MAKE_ROLE.format(role=role).encode())
    connection.execute(_JOIN_OWNER)


def settle(connection: Connection[Any]) -> None:
    """Grant and revoke, in one transaction, so that PUBLIC and our roles have exactly the declared rights."""
    with connection.transaction():
        for statement in [*_without_defaults(connection), *_changes(declared(connection), granted(connection))]:
            connection.execute(statement.encode())


def _changes(declared: set[Right], granted: set[Right]) -> Iterator[str]:
    privileges: dict[tuple[str, str], list[str]] = defaultdict(list)
    for right in declared:
        privileges[right.on, right.to].append(right.may)
    # All rights on an object at once, because revoking from a table revokes from its columns too.
    for on, to in sorted({(right.on, right.to) for right in declared ^ granted if right.to in (OWNER, *ROLES, PUBLIC)}):
        yield f"REVOKE ALL ON {on} FROM {to}"
        if rights := privileges[on, to]:
            yield f"GRANT {', '.join(sorted(rights))} ON {on} TO {to}"


def declared(connection: Connection[Any]) -> set[Right]:
    """Return the rights that `app.logins` declares. Raises KeyError if a declared function does not exist."""
    ((schema,),) = connection.execute("SELECT quote_ident(current_schema())").fetchall()
    signatures: dict[str, str] = dict(connection.execute(_SIGNATURES).fetchall())
    rights = {Right(OWNER, f"SCHEMA {schema}", may) for may in ("USAGE", "CREATE")}
    for name, role in ROLES.items():
        rights.add(Right(name, f"SCHEMA {schema}", "USAGE"))
        rights.update(Right(name, f"TABLE {table}", may) for table, may in _each(role.tables))
        rights.update(Right(name, f"SEQUENCE {sequence}", may) for sequence, may in _each(role.sequences))
        rights.update(Right(name, f"FUNCTION {signatures[function]}", "EXECUTE") for function in role.functions)
    return rights


def _each(rights: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (table or sequence, privilege) for each declared right; INSERT (a, b) yields INSERT (a) and INSERT (b)."""
    for name, privileges in rights.items():
        for privilege, columns in re.findall(r"(\w+)(?: \(([^)]*)\))?", privileges):
            for column in columns.split(", "):
                yield name, f"{privilege} ({column})" if column else privilege


def granted(connection: Connection[Any]) -> set[Right]:
    """Return all rights granted on the current schema and its objects, except those that an object's owner has."""
    return {Right(*row) for row in connection.execute(_GRANTED).fetchall()}


def _without_defaults(connection: Connection[Any]) -> list[str]:
    """Return statements that revoke default privileges, so that new tables have only declared ones."""
    return [statement for (statement,) in connection.execute(_DEFAULTS).fetchall()]


_SIGNATURES = """
    SELECT proname, oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
"""
# Without PUBLIC's USAGE of the schema, PostgreSQL's default, which alone permits nothing.
_GRANTED = """
    WITH acls AS (
        SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || oid::regclass AS on_, '' AS of_column,
               relowner AS owner, relacl AS acl
        FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
        UNION ALL
        SELECT 'TABLE ' || c.oid::regclass, format(' (%s)', quote_ident(attname)), relowner, attacl
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE relnamespace = current_schema()::regnamespace AND attacl IS NOT NULL AND NOT attisdropped
        UNION ALL
        SELECT 'FUNCTION ' || oid::regprocedure, '', proowner, coalesce(proacl, acldefault('f', proowner))
        FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
        UNION ALL
        SELECT 'SCHEMA ' || quote_ident(nspname), '', nspowner, nspacl
        FROM pg_namespace WHERE nspname = current_schema()
    )
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, on_,
           privilege_type || of_column || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM acls, aclexplode(acl) WHERE grantee <> owner AND NOT (grantee = 0 AND starts_with(on_, 'SCHEMA'))
"""
_DEFAULTS = """
    SELECT DISTINCT format('ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %I REVOKE ALL ON %s FROM %s',
               defaclrole::regrole, current_schema(),
               CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' ELSE 'FUNCTIONS' END,
               CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
    FROM pg_default_acl, aclexplode(defaclacl)
    WHERE defaclnamespace = current_schema()::regnamespace AND defaclobjtype IN ('r', 'S', 'f')
      AND grantee <> defaclrole
"""
