"""The command `rewards feed`: apply a vendor's CSV file of products."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from app.catalog.models import StockMeans
from app.errors import BadInput
from app.ledger.cli import instant
from app.terminal import opened, screen, show_facts
from app.vendors import intake
from app.vendors.feed import COLUMNS, ENCODING, LIMITS
from app.vendors.models import Counting, FeedMode
from app.vendors.stock import COUNTED_AT, MEANS
from app.vendors.uploads import Upload

FEED_HELP = f"Upload a vendor's products and see each bad row.\n\n{COLUMNS}.\n\nLimits: {LIMITS}."


def feed(
    vendor_id: UUID,
    path: Annotated[Path, typer.Argument(help="a CSV file")],
    mode: Annotated[
        FeedMode, typer.Option(help="apply nothing if a row is bad, or the good rows")
    ] = FeedMode.ALL_OR_NOTHING,
    encoding: Annotated[str | None, typer.Option(help=ENCODING)] = None,
    stock: Annotated[StockMeans, typer.Option(help=MEANS)] = StockMeans.COUNTED,
    counted_at: Annotated[str | None, typer.Option(help=f"{COUNTED_AT}; as 2026-11-22T18:00:00Z")] = None,
) -> None:
    with _file(path, encoding) as upload, opened() as (db, clock):
        counting = Counting(stock, instant(counted_at))
        report = intake.take(db, vendor_id, upload, mode, clock, counting)
    show_facts("Feed", {key: value for key, value in report.__dict__.items() if key not in {"errors", "stock"}})
    if report.stock and report.stock.first_sent_at:
        screen.print(report.stock.says, markup=False, soft_wrap=True)
    for short in report.stock.short if report.stock else ():
        screen.print(f"row {short.row}, {short.sku}: {short.says}", markup=False, soft_wrap=True)
    for error in report.errors:
        screen.print(f"row {error.row}, {error.column}: {error.message}. {error.fix}", markup=False, soft_wrap=True)
    raise typer.Exit(0 if report.applied and not report.errors else 1)


def _file(path: Path, encoding: str | None) -> Upload:
    try:
        with path.open("rb") as file:
            return Upload.of(iter(lambda: file.read(64 * 1024), b""), encoding)
    except OSError as refused:
        raise BadInput(f"{path} can't be read: {refused.strerror}") from None
