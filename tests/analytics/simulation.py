"""`make simulate`: check that simulating a promotion on a year of orders predicts its real effect.

Loads the year twice, without and with the promotion, counts points in the ledger, and compares the difference with
`rewards offers simulate`. Exit code 1 if they differ.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from rich.console import Console
from rich.table import Table

from app.campaigns import life
from app.campaigns.life import Deed
from app.campaigns.offers import OFFERS
from app.db import JOBS, Database
from app.earning.earners import Scope
from app.ids import derived_id
from app.local import journey, postgres, replay
from app.local.journey import Journey
from app.migrations import upgrade
from app.offers.models import Offer, Promotion
from app.settings import Settings

OFFER_ID = derived_id("make simulate")
TERMS = Promotion(percent=300, scope=Scope.BRAND, target="Private")
ENDS_AT = datetime(2019, 1, 1, tzinfo=UTC)
NAME = "Private brands count three times"
_LOTS = """
    SELECT coalesce(sum((lot ->> 'points')::bigint) FILTER (WHERE (lot ->> 'rule')::uuid = %s), 0)::bigint,
           coalesce(sum((lot ->> 'points')::bigint), 0)::bigint
    FROM journal_revisions,
         json_array_elements(CASE table_name WHEN 'orders' THEN data -> 'lots' ELSE data -> 'items' END) AS lot
    WHERE table_name IN ('orders', 'order_lots')
"""
_RETURNS = (
    "SELECT coalesce(sum((data ->> 'points')::bigint), 0)::bigint FROM journal_revisions WHERE table_name = 'returns'"
)


@dataclass(frozen=True)
class Loaded:
    """Points counted in a ledger: given by the promotion (`gift`), given by all rules, and taken back by returns."""

    gift: int
    all_points: int
    came_back: int
    last_day: date


@dataclass(frozen=True)
class Simulated:
    answer: dict[str, Any]
    seconds: float
    memory_mb: float


def load(url: str, weeks: int, source: Journey, console: Console, *, promoted: bool) -> Loaded:
    """Load the first weeks of shopping data into a new database, with or without the promotion; count the points."""
    upgrade(url)
    db = Database.open(Settings(database_url=url), JOBS)
    try:
        replay.furnish(db, source, console)
        if promoted:
            offer = Offer(OFFER_ID, NAME, "", replay.BEGIN.now(), ENDS_AT, TERMS, None)
            with db.write() as session:
                life.add(session, OFFERS, offer, Deed(None, "", replay.BEGIN))
        replay.load(db, weeks, console, source)
        return counted(db, OFFER_ID)
    finally:
        db.close()


def counted(db: Database, offer_id: UUID) -> Loaded:
    with db.read() as session:
        ((gift, all_points),) = session.rows(_LOTS, (offer_id,))
        last_day = session.value("SELECT max(business_date) FROM orders")
        return Loaded(int(gift), int(all_points), int(session.value(_RETURNS)), last_day)


def simulate(url: str, weeks: int, until: date, folder: Path) -> Simulated:
    body = {
        "name": NAME,
        "starts_at": replay.BEGIN.now().isoformat(),
        "ends_at": ENDS_AT.isoformat(),
        "terms": TERMS.model_dump(mode="json"),
    }
    (folder / "offer.json").write_bytes(orjson.dumps(body))
    command = [sys.executable, "-c", "from app.cli import main; main()", "offers", "simulate", "--json"]
    command += ["--file", str(folder / "offer.json"), "--weeks", str(min(53, weeks + 1)), "--until", str(until)]
    begun = time.monotonic()
    done = subprocess.run(command, env={**os.environ, "REWARDS_DATABASE_URL": url}, capture_output=True, check=True)
    seconds = time.monotonic() - begun
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Simulated(orjson.loads(done.stdout), seconds, memory)


def report(simulated: Simulated, without: Loaded, beside: Loaded, console: Console) -> bool:
    """Print the simulated and the loaded points side by side; return whether they are equal."""
    answer, gift = simulated.answer, simulated.answer["gift"]
    rows = (
        ("points that the promotion gives", gift["points"], beside.gift),
        (
            "points of all rules and offers, more than without",
            answer["net_points"],
            beside.all_points - without.all_points,
        ),
        ("points that returns take back, more than without", gift["came_back"], beside.came_back - without.came_back),
    )
    table = Table("", "simulated", "loaded with it running", "", title=NAME, title_justify="left")
    for name, ours, ledgers in rows:
        table.add_row(name, f"{ours:,}", f"{ledgers:,}", "equal" if ours == ledgers else "DIFFERENT")
    console.print(table)
    console.print(
        f"{answer['orders']:,} orders of {answer['lines']:,} lines: {simulated.seconds:.1f} s, "
        f"at most {simulated.memory_mb:,.0f} MB"
    )
    return all(ours == ledgers for _, ours, ledgers in rows)


def main(weeks: int) -> int:
    console, folder = Console(), Path(tempfile.mkdtemp(prefix="rewards-simulate-"))
    try:
        with postgres.start(folder / "postgres", durable=False) as server:
            source = journey.read()
            loaded = []
            for name, promoted in (("without", False), ("beside", True)):
                server.create_database(name)
                loaded.append(load(server.url(name), weeks, source, console, promoted=promoted))
            without, beside = loaded
            simulated = simulate(server.url("without"), weeks, without.last_day, folder)
            return 0 if report(simulated, without, beside, console) else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    weeks_named = sys.argv[1] if len(sys.argv) > 1 else "53"
    if not (weeks_named.isascii() and weeks_named.isdecimal() and 1 <= int(weeks_named) <= 53):
        sys.stderr.write(f"simulate: WEEKS must be 1 to 53, not {weeks_named!r}\n")
        sys.exit(2)
    sys.exit(main(int(weeks_named)))
