"""Tests that the old code keeps serving while a new migration runs, and after it."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from app import logins, migrations
from app.settings import Settings
from tests.conftest import ADMIN, Fresh, Login, Token, logging_in
from tests.migrations.rolling import Place, migrate, roll

ROOT = Path(__file__).parents[2]
VERSIONS = "app/migrations/versions"
NEXT = f"{int(migrations.head()) + 1:04}"
Rolled = Callable[[Path, Path], list[str]]
# Two processes start, and a shop is filled: a busy machine takes more than the usual limit.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def rolled(fresh: Fresh, settings: Settings, token: Token) -> Iterator[Rolled]:
    environment = {
        "REWARDS_ISSUERS": f"[{','.join(issuer.model_dump_json() for issuer in settings.issuers)}]",
        "REWARDS_SIGNING_KEY": str(settings.signing_key),
    }
    with fresh("template0") as url:
        place = Place(url, logging_in(url, ADMIN), logging_in(url, logins.SERVICES))
        yield lambda before, after: roll(before, after, place, environment, token)


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the application into a folder and adds a migration with the given SQL."""

    def copied(sql: str, *, name: str = "after", of: Path = ROOT, revision: str = NEXT, how: str = "run_sql") -> Path:
        folder = tmp_path / name
        for part in ("app", "tests"):
            shutil.copytree(of / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        step = folder / VERSIONS / f"{revision}_of_a_test"
        step.with_suffix(".sql").write_text(sql)
        step.with_suffix(".py").write_text(
            f'from app.migrations.versions import {how}\nrevision = "{revision}"\n'
            f'down_revision = "{int(revision) - 1:04}"\ndef upgrade():\n    {how}(__file__)\n'
        )
        return folder

    return copied


EXPAND = """
ALTER TABLE orders ADD COLUMN channel text;
ALTER TABLE orders ADD CONSTRAINT channel_is_known CHECK (channel IN ('web', 'shop')) NOT VALID;
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_by_channel ON orders (channel) WHERE channel IS NOT NULL;
ALTER TABLE orders VALIDATE CONSTRAINT channel_is_known;
"""
CONTRACT = "ALTER TABLE orders DROP COLUMN channel;"


@pytest.mark.slow
def test_expand_lets_the_code_before_serve(rolled: Rolled, tree: Callable[..., Path]) -> None:
    # Trial 26
    assert rolled(ROOT, tree(EXPAND, how="run_concurrently")) == []


@pytest.mark.slow
def test_contract_lets_the_code_before_serve_which_no_longer_needs_what_goes(
    rolled: Rolled, tree: Callable[..., Path]
) -> None:
    expanded = tree(EXPAND, name="expanded", how="run_concurrently")
    contracted = tree(CONTRACT, name="contracted", of=expanded, revision=f"{int(NEXT) + 1:04}")
    assert rolled(expanded, contracted) == []


WRONG = {
    "a column in use is renamed": ("ALTER TABLE orders RENAME COLUMN paid_minor TO money_minor", "was answered 500"),
    "a column that the code before does not fill": (
        "ALTER TABLE orders ADD COLUMN channel text; UPDATE orders SET channel = 'web';"
        "ALTER TABLE orders ALTER COLUMN channel SET NOT NULL",
        "POST /orders was answered",
    ),
    "each row gets a default of its own": (
        "ALTER TABLE orders ADD COLUMN ticket uuid NOT NULL DEFAULT gen_random_uuid()",
        "orders was written anew",
    ),
    "a table is locked for long": ("LOCK TABLE products; SELECT pg_sleep(1.5)", "products was locked for 1"),
    "a table in use is dropped": (
        "DROP TABLE offer_stock",
        'the migration failed: rewards: relation "offer_stock" does not exist',
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_what_would_stop_the_code_before_is_refused(rolled: Rolled, tree: Callable[..., Path], wrong: str) -> None:
    sql, fault = WRONG[wrong]
    faults = rolled(ROOT, tree(sql))
    assert [message for message in faults if message.startswith(fault) or fault in message], faults


@pytest.mark.slow
def test_a_right_that_the_code_before_needs_is_missed(rolled: Rolled, tree: Callable[..., Path]) -> None:
    after = tree("SELECT 1")
    table = after / "app" / "logins.py"
    orders = '"orders": f"{ADD}, UPDATE (area)"'
    table.write_text(table.read_text().replace(orders, f'{orders}, "order_lines": READ'))
    assert "POST /orders was answered 500" in rolled(ROOT, after)


# ── the newest of the real ones ──────────────────────────────────────────────────────────────────────────────────────


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def numbers(commit: str) -> list[str]:
    """Return the sorted numbers of the migrations in a commit."""
    names = git("ls-tree", "--name-only", commit, f"{VERSIONS}/").split()
    return sorted(Path(name).name[:4] for name in names if name.endswith(".py") and not name.endswith("__init__.py"))


def newest_step() -> tuple[str, str | None]:
    """Return the commit before the newest migration, and the commit that added this migration (None if uncommitted)."""
    after = None
    for commit in git("log", "--first-parent", "--format=%H", "--", VERSIONS).split():
        versions = numbers(commit)
        if len({*versions}) < len(versions):
            continue  # two of one number: nobody can have migrated to it
        if versions[-1] < migrations.head():
            return (commit if after is None else _last_with(versions, f"{after}^", commit)), after
        after = commit
    raise AssertionError("no commit lacks the newest migration")


def _last_with(versions: list[str], commit: str, else_: str) -> str:
    return commit if numbers(commit) == versions else else_


def checked_out(commit: str, folder: Path) -> Path:
    folder.mkdir()
    archive = ["git", "archive", commit, "app", "tests"]
    packed = subprocess.run(archive, cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=packed, check=True)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the project's history")
def test_the_newest_migration_lets_the_code_of_the_commit_before_serve(rolled: Rolled, tmp_path: Path) -> None:
    """The new code is the commit with the migration, or the working copy if migrations have changed since then."""
    before, after = newest_step()
    changed = after is None or git("diff", after, "--", VERSIONS)
    tree = ROOT if changed or after is None else checked_out(after, tmp_path / "after")
    assert rolled(checked_out(before, tmp_path / "before"), tree) == []


@pytest.mark.slow
def test_a_migration_that_waits_for_a_table_lets_others_by_and_tries_again(
    login: Login, database_url: str, tree: Callable[..., Path]
) -> None:
    after, waits = tree("ALTER TABLE orders ADD COLUMN channel text"), [0.0]
    with ThreadPoolExecutor(1) as beside, psycopg.connect(database_url) as slow:
        slow.execute("SELECT FROM orders")  # and its transaction stays open
        migration = beside.submit(migrate, after, login(ADMIN))
        with psycopg.connect(database_url, autocommit=True) as reader:
            while max(waits) < migrations.LOCK_WAIT_MS / 2_000:  # behind the migration, until that lets it by
                began = time.monotonic()
                assert not migration.done()
                reader.execute("SELECT FROM orders")
                waits.append(time.monotonic() - began)
        slow.rollback()
        assert migration.result() == ""
