"""Tests that PostgreSQL's catalogues have exactly the rights that `app.logins` declares."""

from collections.abc import Iterator

import psycopg
import pytest

from app import logins
from app.logins import ROLES
from app.migrations import rights
from app.migrations.rights import Right
from tests.conftest import ADMIN, Login

Admin = psycopg.Connection[tuple[object, ...]]

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture
def admin(login: Login) -> Iterator[Admin]:
    with psycopg.connect(login(ADMIN), autocommit=True) as connection:
        yield connection


def test_rights_are_those_of_the_table_and_no_others(admin: Admin) -> None:
    assert rights.granted(admin) == rights.declared(admin)


def test_postgresql_itself_judges_each_role_as_the_table_says(admin: Admin) -> None:
    """Uses has_table_privilege, which also counts rights from PUBLIC, role membership and ownership."""
    views = "SELECT viewname FROM pg_views WHERE schemaname = 'public'"
    both = f"SELECT tablename FROM pg_tables WHERE schemaname = 'public' UNION {views}"
    relations = [str(name) for (name,) in admin.execute(both.encode())]
    assert {table for role in ROLES.values() for table in role.tables} == set(relations)
    for name, role in ROLES.items():
        for table in relations:
            has = {
                privilege
                for privilege in PRIVILEGES
                if admin.execute("SELECT has_table_privilege(%s, %s, %s)", (name, table, privilege)).fetchone()
                == (True,)
            }
            declared = {part for part in role.tables.get(table, "").split(", ") if part in PRIVILEGES}
            assert (name, table, has) == (name, table, declared)


def test_roles_are_nobodys_members_and_have_no_powers(admin: Admin) -> None:
    powers = admin.execute(
        """SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)
             AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication OR rolbypassrls)""",
        ([logins.OWNER, *ROLES],),
    ).fetchall()
    memberships = admin.execute(
        "SELECT member::regrole::text FROM pg_auth_members WHERE member::regrole::text = ANY(%s)",
        ([logins.OWNER, *ROLES],),
    ).fetchall()
    assert (powers, memberships) == ([], [])


def test_no_role_owns_anything_but_the_journals_owner(admin: Admin) -> None:
    owners = admin.execute(
        """SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
           UNION SELECT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"""
    ).fetchall()
    assert {owner for (owner,) in owners} & {logins.OWNER, *ROLES} == {logins.OWNER}


DRIFT = {
    "a table": ("GRANT DELETE ON lots TO rewards_sealer", Right("rewards_sealer", "TABLE lots", "DELETE")),
    "a column": (
        "GRANT UPDATE (salt) ON journal_revisions TO rewards_app",
        Right("rewards_app", "TABLE journal_revisions", "UPDATE (salt)"),
    ),
    "the right to pass it on": (
        "GRANT SELECT ON lots TO rewards_app WITH GRANT OPTION",
        Right("rewards_app", "TABLE lots", "SELECT WITH GRANT OPTION"),
    ),
    "everybody": ("GRANT SELECT ON members TO PUBLIC", Right("PUBLIC", "TABLE members", "SELECT")),
    "a sequence": (
        "GRANT USAGE ON SEQUENCE insight_generations TO rewards_redactor",
        Right("rewards_redactor", "SEQUENCE insight_generations", "USAGE"),
    ),
    "a function": (
        "GRANT EXECUTE ON FUNCTION journal_open_epoch TO PUBLIC",
        Right("PUBLIC", "FUNCTION journal_open_epoch()", "EXECUTE"),
    ),
    "the schema": ("GRANT CREATE ON SCHEMA public TO rewards_app", Right("rewards_app", "SCHEMA public", "CREATE")),
}


@pytest.mark.parametrize("drift", DRIFT)
def test_a_right_too_many_is_seen_and_revoked(admin: Admin, drift: str) -> None:
    statement, right = DRIFT[drift]
    admin.execute(statement.encode())
    assert right in rights.granted(admin) - rights.declared(admin)
    rights.settle(admin)
    assert rights.granted(admin) == rights.declared(admin)


@pytest.mark.parametrize(
    "statement",
    [
        "REVOKE SELECT ON stream_seen FROM rewards_sealer",
        "REVOKE INSERT (data) ON journal_revisions FROM rewards_app",
        "REVOKE ALL ON FUNCTION journal_redact FROM rewards_redactor",
        "REVOKE USAGE ON SEQUENCE insight_generations FROM rewards_app",
    ],
)
def test_a_right_too_few_is_seen_and_granted(admin: Admin, statement: str) -> None:
    admin.execute(statement.encode())
    assert rights.declared(admin) > rights.granted(admin)
    rights.settle(admin)
    assert rights.granted(admin) == rights.declared(admin)


def test_rights_of_roles_that_are_not_ours_stay(admin: Admin) -> None:
    admin.execute("GRANT SELECT ON lots TO pg_monitor")
    rights.settle(admin)
    assert admin.execute("SELECT has_table_privilege('pg_monitor', 'lots', 'SELECT')").fetchone() == (True,)
