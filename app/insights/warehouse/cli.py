"""`rewards insights load` loads the warehouse; the other commands show its published answers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app import aws
from app.insights import plots
from app.insights.warehouse import service
from app.insights.warehouse.models import (
    AreaSales,
    BrandAffinity,
    Grain,
    RangeAffinity,
    SalesKind,
    Season,
    SegmentKind,
    SegmentSize,
    YearSales,
)
from app.ledger import exports, keys
from app.ledger.archive import Archive
from app.settings import command_settings
from app.tabular import show
from app.terminal import AsCsv, clock, database, screen, session

commands = typer.Typer()
Limit = Annotated[int, typer.Option(help="rows at most", min=1, max=100_000)]
Kind = Annotated[SegmentKind | None, typer.Option(help="what the segments are by")]
Segment = Annotated[str | None, typer.Option(help="one of them")]


def _answered(title: str, row: type[Any], as_csv: bool, limit: int, **where: Any) -> None:
    with session() as opened:
        state = service.published(opened)
        rows = service.answers(opened, row, None, limit, **where)
    show(f"{title}, up to {state.as_of_date} (block {state.as_of_block:,})", row, rows, as_csv=as_csv, screen=screen)


@commands.command()
def load() -> None:
    """Bring the warehouse up to date: export what was sealed, load it, run the models and publish their answers."""
    settings, s3 = command_settings(), aws.client("s3")
    service.warehouse(settings, s3)  # before anything is exported
    with database() as db:
        exports.catch_up(db, Archive(s3, settings.archive_bucket), keys.signer(settings), clock())
        loaded, published = service.bring_up(db, settings, s3, clock())
    screen.print(f"loaded {loaded.exports} exports: {loaded.sales:,} lines sold, {loaded.returns:,} returns")
    if published:
        screen.print(f"published as of block {published.as_of_block:,}, {published.as_of_date}")
    else:
        screen.print("nothing is sold yet, so there is nothing to publish")


@commands.command()
def segments(kind: Kind = None, limit: Limit = 1000, as_csv: AsCsv = False) -> None:
    """How many members segments have, and what they are worth."""
    _answered("Segments", SegmentSize, as_csv, limit, kind=kind)


@commands.command()
def price_ranges(kind: Kind = None, segment: Segment = None, limit: Limit = 1000, as_csv: AsCsv = False) -> None:
    """Who leans to the economic brand, who to brand image."""
    _answered("Price ranges", RangeAffinity, as_csv, limit, kind=kind, segment=segment)


@commands.command()
def brand_affinity(kind: Kind = None, segment: Segment = None, limit: Limit = 1000, as_csv: AsCsv = False) -> None:
    """Which brands a segment buys more than everybody does."""
    _answered("Brands", BrandAffinity, as_csv, limit, kind=kind, segment=segment)


@commands.command()
def seasonal(
    by: SalesKind = SalesKind.DEPARTMENT,
    key: Annotated[str | None, typer.Option(help="a brand or department, or a product's id")] = None,
    grain: Grain = Grain.MONTH,
    limit: Limit = 1000,
    as_csv: AsCsv = False,
    plot: Annotated[Path | None, typer.Option(help="draw it into this .svg or .png instead")] = None,
) -> None:
    """When things sell more than usual; 1 is a day like any other. Products by month only."""
    if plot is None:
        _answered("Seasonal index", Season, as_csv, limit, kind=by, key=key, grain=grain)
        return
    with session() as opened:
        rows = service.answers(opened, Season, None, limit, kind=by, key=key, grain=grain)
    names = plots.MONTHS if grain is Grain.MONTH else plots.WEEKS
    cells = [(names[row.period - 1], row.key, row.season_index) for row in rows]
    plots.heat(plot, f"Seasonal index by {grain}", names, cells, of="units a day, over any day's")


@commands.command()
def areas(
    by: SalesKind = SalesKind.ALL,
    area: Annotated[str | None, typer.Option(help="one area")] = None,
    limit: Limit = 1000,
    as_csv: AsCsv = False,
) -> None:
    """What areas bought in the last 365 days."""
    _answered("Sales by area", AreaSales, as_csv, limit, kind=by, area=area)


@commands.command()
def years(by: SalesKind = SalesKind.ALL, limit: Limit = 1000, as_csv: AsCsv = False) -> None:
    """What each year sold, less what came back."""
    _answered("Sales by year", YearSales, as_csv, limit, kind=by)
