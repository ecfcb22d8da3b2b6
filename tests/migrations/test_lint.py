"""Tests that squawk, a linter for PostgreSQL migrations, finds no statement that blocks others for long."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import migrations

VERSIONS = Path(migrations.__file__).parent / "versions"
SQUAWK = Path(sys.executable).parent / "squawk"
LATER = sorted(VERSIONS.glob("[0-9]*.sql"))
EXCLUDED = {
    # Set for every migration, in app/migrations/env.py, and tried again where it ran out.
    "require-lock-timeout": "app/migrations/env.py",
    # A statement may take long where it keeps nobody waiting; that it does not is tried: test_rolling.py.
    "require-statement-timeout": "tests/migrations/test_rolling.py",
    # A number of the business that is too large is refused where it enters; days, lines and units are small.
    "prefer-bigint-over-int": "int and smallint are meant",
    "prefer-bigint-over-smallint": "int and smallint are meant",
    # Codes of two or three letters: countries, currencies.
    "ban-char-field": "char(2) and char(3) are meant",
}


def squawk(path: Path, *, excluded: set[str], in_transaction: bool = True) -> str:
    command = [str(SQUAWK), "--pg-version", "16.0", "--reporter", "gcc", "--exclude", ",".join(sorted(excluded))]
    command += ["--assume-in-transaction"] if in_transaction else []
    ran = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    assert ran.returncode in {0, 1}, ran.stderr
    return ran.stdout if ran.returncode else ""


def is_concurrent(sql: Path) -> bool:
    return "run_concurrently(" in sql.with_suffix(".py").read_text()


@pytest.mark.parametrize("path", LATER, ids=lambda path: path.stem)
def test_a_migration_keeps_nobody_waiting(path: Path) -> None:
    concurrent = is_concurrent(path)
    assert squawk(path, excluded={*EXCLUDED}, in_transaction=not concurrent) == ""


@pytest.mark.parametrize("path", sorted(VERSIONS.glob("*/*.sql")), ids=lambda path: path.stem)
def test_the_baseline_is_clean(path: Path) -> None:
    assert squawk(path, excluded={*EXCLUDED}) == ""


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CREATE INDEX orders_by_area ON orders (area);", "require-concurrent-index-creation"),
        ("ALTER TABLE orders RENAME COLUMN area TO place;", "renaming-column"),
        ("ALTER TABLE orders ADD COLUMN channel text NOT NULL;", "adding-required-field"),
        ("ALTER TABLE orders ALTER COLUMN points_spent TYPE numeric;", "changing-column-type"),
        ("ALTER TABLE orders ADD CHECK (points_spent < 9);", "constraint-missing-not-valid"),
        ("DROP TABLE loads;", "ban-drop-table"),
    ],
)
def test_what_stops_others_is_refused(tmp_path: Path, sql: str, rule: str) -> None:
    path = tmp_path / "9999_wrong.sql"
    path.write_text(sql + "\n")
    assert rule in squawk(path, excluded={*EXCLUDED})
