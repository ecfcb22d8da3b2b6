"""Tests that SQL names only tables of its own package, except those listed here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

import app
from app.tables import PUBLISHED, TABLES
from tests.sql_names import UNKNOWN, Text, tables, texts

FOLDER = Path(app.__file__).parent
KNOWN = {
    "catalog": "vendors",  # locked while its products change
    "lags": "journal_anchors journal_blocks journal_epochs journal_revisions journal_streams",
    "night": "journal_revisions lot_draws lots postings redemptions wallets",
    "offers": "lots wallets",
}
"""Foreign tables that a package still names. A new row is a mistake; one that is no longer needed goes."""
UNREAD = {
    "catalog/search_repository.py",  # which of the statement's own expressions is searched
    "insights/recommendations/learning.py",
    "insights/stream/windows_repository.py",
    "insights/warehouse/loading.py",
    "insights/warehouse/postgresql.py",
    "insights/warehouse/redshift.py",
    "insights/warehouse/repository.py",
}
"""Modules that choose among tables of their own package, or load into one."""


def files() -> Iterator[Path]:
    """Yield the application's Python and SQL files, without migrations."""
    for path in sorted([*FOLDER.rglob("*.py"), *FOLDER.rglob("*.sql")]):
        if "migrations" not in path.parts:
            yield path


def package_of(path: Path) -> str:
    return path.relative_to(FOLDER).parts[0].removesuffix(".py")


def owner_of(table: str) -> str | None:
    """Return the package that owns a table; None for functions, temporary tables and PostgreSQL's own tables."""
    return "insights" if table.startswith("warehouse.") else TABLES.get(table)


@dataclass(frozen=True)
class Use:
    """A place (module:line) where a package's SQL names a table of another package."""

    package: str
    table: str
    place: str

    def __str__(self) -> str:
        return f"{self.place}: {self.table} belongs to {owner_of(self.table)}"


def uses() -> list[Use]:
    return [
        Use(package_of(path), named.table, f"{path.relative_to(FOLDER)}:{named.line}")
        for path in files()
        for text in texts(path)
        for named in tables(text)
        if owner_of(named.table) not in {None, package_of(path)} and named.table not in PUBLISHED
    ]


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT * FROM lots l JOIN orders USING (order_id)", ["lots", "orders"]),
        ("FROM lots, orders o, unnest(%s), members WHERE a, b", ["lots", "orders", "unnest", "members"]),
        ("SELECT (SELECT max(a) FROM lots), b FROM orders", ["lots", "orders"]),
        ("INSERT INTO lots (a) SELECT b FROM orders ON CONFLICT (a) DO UPDATE SET a = 1, b = c", ["lots", "orders"]),
        ("UPDATE lots SET a = 1, b = 2 FROM orders WHERE a = 1", ["lots", "orders"]),
        ("DELETE FROM lots USING orders, members WHERE true", ["lots", "orders", "members"]),
        ("SELECT a FROM lots FOR UPDATE OF lots SKIP LOCKED", ["lots"]),
        ("WITH RECURSIVE lots (a) AS (SELECT a FROM orders) SELECT a FROM lots", ["orders"]),
        ("SELECT extract(hour FROM at), a IS DISTINCT FROM b, 'FROM lots' FROM orders -- FROM members", ["orders"]),
        ("), lots AS MATERIALIZED (SELECT a FROM orders", ["orders"]),
        ("LOCK TABLE lots, orders", ["lots", "orders"]),
        (f"DELETE FROM {UNKNOWN} WHERE a", [UNKNOWN]),
    ],
)  # fmt: skip
def test_tables_are_read_out_of_sql(sql: str, named: list[str]) -> None:
    assert [use.table for use in tables(Text(sql, 1))] == named


def test_sql_of_a_module_is_read_with_its_constants_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "repository.py"
    path.write_text('_LOTS = "FROM lots"\n\ndef f(x):\n    "FROM nowhere"\n    g(f"""SELECT a\n{_LOTS} JOIN {x}""")\n')
    assert [(named.table, named.line) for text in texts(path) for named in tables(text)] == [
        ("lots", 1),
        ("lots", 6),
        (UNKNOWN, 6),
    ]


def test_every_table_has_an_owner(database_url: str) -> None:
    kinds = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
    )
    with psycopg.connect(database_url) as reader:
        rows = reader.execute(kinds).fetchall()
    assert {name for (name,) in rows} == set(TABLES)
    assert {TABLES[view] for view in PUBLISHED} <= set(TABLES.values())


def test_a_table_whose_name_is_given_when_a_statement_runs_is_one_of_a_known_module() -> None:
    unread = [
        str(path.relative_to(FOLDER))
        for path in files()
        for text in texts(path)
        for named in tables(text)
        if named.table == UNKNOWN
    ]
    assert {*unread} == UNREAD


def known() -> set[tuple[str, str]]:
    return {(package, table) for package, names in KNOWN.items() for table in names.split()}


def test_sql_keeps_the_borders_of_packages() -> None:
    foreign = uses()
    assert len(foreign) < 100
    assert [str(use) for use in foreign if (use.package, use.table) not in known()] == []


def test_no_exception_outlives_its_reason() -> None:
    needed = {(use.package, use.table) for use in uses()}
    assert known() - needed == set()
