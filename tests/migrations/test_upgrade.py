"""Tests of migrating databases in every state: empty, older, too old, newer than the code, with foreign tables."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic import command
from fastapi.testclient import TestClient

from app import migrations
from app.main import create_app
from app.migrations import rights
from app.settings import Settings
from tests.conftest import ADMIN, Fresh, Login, SettableClock, logging_in


@pytest.fixture
def admin_url(login: Login) -> str:
    return login(ADMIN)


@pytest.fixture
def empty_url(fresh: Fresh) -> Iterator[str]:
    with fresh("template0") as url:
        yield logging_in(url, ADMIN)


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name for (name,) in rows}


def has_its_rights(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return rights.granted(connection) == rights.declared(connection)


def set_revision(url: str, revision: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))


def test_an_empty_database_comes_to_the_newest_schema_and_rights(empty_url: str) -> None:
    assert migrations.current(empty_url) == ""
    migrations.upgrade(empty_url)
    assert migrations.current(empty_url) == migrations.head()
    assert has_its_rights(empty_url)


def test_two_migrators_at_once_do_it_once(empty_url: str) -> None:
    with ThreadPoolExecutor(2) as both:
        list(both.map(migrations.upgrade, [empty_url] * 2))
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(migrations.head(),)]
        assert connection.execute("SELECT count(*) FROM program").fetchone() == (1,)


# How 0006 differs from the baseline: no rights for a recreated stream, and new tables open to the services.
AS_AT_0006 = """
    REVOKE ALL ON stream_seen, stream_progress FROM rewards_sealer;
    REVOKE ALL ON FUNCTION x_ln_x, log_likelihood FROM rewards_app;
    GRANT EXECUTE ON FUNCTION x_ln_x, log_likelihood TO PUBLIC;
    GRANT SELECT, INSERT, UPDATE, DELETE ON lots, members TO rewards_app;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rewards_app;
    UPDATE alembic_version SET version_num = '0006';
"""
# As the code of that time wrote it: later code needs columns that weren't there.
AN_ORDER_OF_THEN = """
    WITH member AS (
        INSERT INTO members (member_id, name, joined_at) VALUES (gen_random_uuid(), 'Ana', now()) RETURNING member_id
    ), sold AS (
        INSERT INTO orders (order_id, member_id, placed_at, business_date, currency, gross_minor, discount_minor,
                            points_minor, paid_minor, points_spent)
        SELECT gen_random_uuid(), member_id, now(), current_date, 'USD', 1000, 0, 0, 1000, 0 FROM member
        RETURNING order_id
    )
    INSERT INTO order_lines (order_id, line, product_id, vendor_id, units, gross_minor, discount_minor, points_minor,
                             paid_minor, return_window_days, matures_on)
    SELECT order_id, 1, gen_random_uuid(), gen_random_uuid(), 2, 1000, 0, 0, 1000, 14, current_date + 14 FROM sold
"""


def test_a_database_of_before_the_squash_is_carried_over_with_its_data(empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        rights.make_roles(connection)
    command.upgrade(migrations._config(empty_url), migrations.BASELINE)
    with psycopg.connect(empty_url) as admin:
        admin.execute(AS_AT_0006)
        admin.execute(AN_ORDER_OF_THEN)
    migrations.upgrade(empty_url)
    assert migrations.current(empty_url) == migrations.head()
    assert has_its_rights(empty_url)
    with psycopg.connect(empty_url) as admin:
        kept = admin.execute(
            """SELECT m.name, l.units, o.paid_minor
               FROM members m JOIN orders o USING (member_id) JOIN order_lines l USING (order_id)"""
        )
        assert kept.fetchall() == [("Ana", 2, 1000)]
        admin.execute("CREATE TABLE later (id int)")
        assert admin.execute("SELECT relacl FROM pg_class WHERE relname = 'later'").fetchone() == (None,)


@pytest.mark.parametrize("revision", ["0001", "0003", "0005", "4f1c2d", "-7"])
def test_an_older_or_foreign_schema_is_refused_in_one_line_and_left_as_it_is(admin_url: str, revision: str) -> None:
    with psycopg.connect(admin_url) as admin:
        admin.execute("DROP TABLE loads")
    set_revision(admin_url, revision)
    before = tables(admin_url)
    ended = subprocess.run(
        [sys.executable, "-m", "app.migrations"],
        env={**os.environ, "DATABASE_URL": admin_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"rewards: the database's schema is {revision}, ")
    assert ended.stderr.count("\n") == 1
    assert "move .rewards away" in ended.stderr
    assert (migrations.current(admin_url), tables(admin_url)) == (revision, before)


def test_the_code_before_a_rollback_leaves_a_newer_schema_alone_and_serves(
    settings: Settings, admin_url: str, clock: SettableClock
) -> None:
    with psycopg.connect(admin_url) as admin:
        admin.execute("CREATE TABLE of_the_newer_code (id int); GRANT SELECT ON of_the_newer_code TO rewards_app")
    set_revision(admin_url, "9999")
    migrations.upgrade(admin_url)
    assert migrations.current(admin_url) == "9999"
    with psycopg.connect(admin_url) as admin:
        assert admin.execute("SELECT has_table_privilege('rewards_app', 'of_the_newer_code', 'SELECT')").fetchone()
    with TestClient(create_app(settings, clock)) as client:
        assert client.get("/categories").status_code == 200


def test_tables_of_somebody_else_stop_it_before_anything_is_made(empty_url: str) -> None:
    with psycopg.connect(empty_url) as owner:
        owner.execute("CREATE TABLE offers (theirs int)")
    with pytest.raises(psycopg.errors.DuplicateTable):
        migrations.upgrade(empty_url)
    assert tables(empty_url) <= {"offers", "alembic_version"}
    assert migrations.current(empty_url) == ""


def test_a_migration_that_was_cut_short_before_the_rights_is_completed_by_the_next(admin_url: str) -> None:
    with psycopg.connect(admin_url) as admin:
        admin.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM rewards_app, rewards_sealer")
    migrations.upgrade(admin_url)
    assert has_its_rights(admin_url)
