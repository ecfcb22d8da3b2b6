"""`make analytics`: check the warehouse's headline results against pandas' from the same data; exit 1 if not equal."""

import shutil
import sys
import tempfile
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer
from rich.console import Console
from rich.table import Table

from app.db import Database
from app.insights import plots
from app.local import journey, postgres
from app.members.models import IncomeBand
from app.migrations import upgrade
from app.settings import Settings
from tests.analytics import independent, pipeline

PLOTS = Path("build/analytics")


def main(weeks: int) -> int:
    console, folder = Console(), Path(tempfile.mkdtemp(prefix="rewards-analytics-"))
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  moto takes any
    )
    steps = pipeline.Steps()
    try:
        with postgres.start(folder / "postgres", durable=False) as server:
            for name in ("rewards", "warehouse"):
                server.create_database(name)
            upgrade(server.url("rewards"))
            db = Database.open(Settings(database_url=server.url("rewards")))
            try:
                outcome = pipeline.run(db, db, server.url("warehouse"), s3, weeks, journey.read(), steps, console)
            finally:
                db.close()
    finally:
        moto.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return report(outcome, steps, weeks, console)


def report(outcome: pipeline.Outcome, steps: pipeline.Steps, weeks: int, console: Console) -> int:
    """Print each step's time and memory, and each headline result beside pandas'; return 0 if all are equal, else 1."""
    took = Table("step", "seconds", "most memory, MB", title=f"{weeks} weeks", title_justify="left")
    for name, seconds in steps.seconds.items():
        took.add_row(name, f"{seconds:.1f}", f"{steps.memory[name]:,.0f}")
    console.print(took)
    checked = independent.lines(independent.headlines_of_models(outcome), independent.headlines(weeks))
    results = Table("result", "warehouse", "pandas, from the raw set", "", title="Headlines", title_justify="left")
    for headline, ours, theirs, equal in checked:
        results.add_row(headline, ours, theirs, "equal" if equal else "DIFFERENT")
    console.print(results)
    draw(outcome)
    console.print(f"plots are in {PLOTS}")
    return 0 if all(equal for *_, equal in checked) else 1


def draw(outcome: pipeline.Outcome) -> None:
    PLOTS.mkdir(parents=True, exist_ok=True)
    months = [row for row in outcome.answers["seasonal"] if row[0] == "department" and row[2] == "month"]
    sold: dict[str, int] = {}
    for row in months:
        sold[row[1]] = sold.get(row[1], 0) + row[4]
    largest = set(sorted(sold, key=lambda name: -sold[name])[:15])
    plots.heat(
        PLOTS / "seasons.svg",
        "Seasonal index of the fifteen largest departments, by month",
        plots.MONTHS,
        [(plots.MONTHS[row[3] - 1], row[1], row[5]) for row in months if row[1] in largest],
        of="units a day, over any day's",
    )
    sizes = {row[1]: float(row[2]) for row in outcome.answers["segment_sizes"] if row[0] == "rfm"}
    plots.bars(PLOTS / "segments.svg", "Members by recency, frequency and money", sizes, x="members")
    bands = list(IncomeBand)
    income_rows = [row for row in outcome.answers["price_ranges"] if row[0] == "income"]
    ranges = sorted(income_rows, key=lambda row: bands.index(row[1]))
    plots.heat(
        PLOTS / "price-ranges.svg",
        "Price-range affinity by income band",
        ["economic", "middle", "image"],
        [(row[2], row[1], row[7]) for row in ranges],
        of="share of money, over everybody's",
    )


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else "53"
    if not (argument.isascii() and argument.isdecimal() and 1 <= int(argument) <= 53):
        sys.stderr.write(f"analytics: WEEKS must be 1 to 53, not {argument!r}\n")
        sys.exit(2)
    sys.exit(main(int(argument)))
