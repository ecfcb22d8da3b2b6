"""The `rewards insights` commands that load the warehouse and show the results that it published."""

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
from app.ledger import digests, exports
from app.ledger.archive import Archive
from app.settings import command_settings
from app.tabular import show
from app.terminal import AsCsv, clock, database, screen, session

commands = typer.Typer()
Limit = Annotated[int, typer.Option(help="rows at most", min=1, max=100_000)]
Kind = Annotated[SegmentKind | None, typer.Option(help="only segments of this kind")]
Segment = Annotated[str | None, typer.Option(help="only this segment")]


def _show(title: str, row: type[Any], as_csv: bool, limit: int, **where: Any) -> None:
    with session() as opened:
        published = service.published(opened)
        rows = service.answers(opened, row, None, limit, **where)
    title += f", up to {published.as_of_date} (block {published.as_of_block:,})"
    show(title, row, rows, as_csv=as_csv, screen=screen)


@commands.command()
def load() -> None:
    """Bring the warehouse up to date: export and load new ledger blocks, run the queries and publish their results."""
    settings, s3 = command_settings(), aws.client("s3")
    service.warehouse(settings, s3)  # raises before anything is exported
    with database() as db:
        exports.catch_up(db, Archive.of(settings, s3), digests.signer(settings), clock())
        loaded, published = service.bring_up(db, settings, s3, clock())
    screen.print(f"loaded {loaded.exports} exports: {loaded.sales:,} lines sold, {loaded.returns:,} returns")
    if published:
        screen.print(f"published as of block {published.as_of_block:,}, {published.as_of_date}")
    else:
        screen.print("nothing is sold yet, so there is nothing to publish")


@commands.command()
def segments(kind: Kind = None, limit: Limit = 1000, as_csv: AsCsv = False) -> None:
    """Show how many members each segment has, and how many orders and how much revenue come from them."""
    _show("Segments", SegmentSize, as_csv, limit, kind=kind)


@commands.command()
def price_ranges(kind: Kind = None, segment: Segment = None, limit: Limit = 1000, as_csv: AsCsv = False) -> None:
    """Show what share of its money each segment spends in the economic, middle and image (premium) price ranges."""
    _show("Price ranges", RangeAffinity, as_csv, limit, kind=kind, segment=segment)


@commands.command()
def brand_affinity(kind: Kind = None, segment: Segment = None, limit: Limit = 1000, as_csv: AsCsv = False) -> None:
    """Show the up to 50 brands that each segment prefers most, compared with all members."""
    _show("Brands", BrandAffinity, as_csv, limit, kind=kind, segment=segment)


@commands.command()
def seasonal(
    by: SalesKind = SalesKind.DEPARTMENT,
    key: Annotated[str | None, typer.Option(help="a brand or department, or a product's id")] = None,
    grain: Grain = Grain.MONTH,
    limit: Limit = 1000,
    as_csv: AsCsv = False,
    plot: Annotated[Path | None, typer.Option(help="an .svg or .png file to draw instead")] = None,
) -> None:
    """Show units sold a day in each month or week, divided by those of an average day; products have months only."""
    if plot is None:
        _show("Seasonal index", Season, as_csv, limit, kind=by, key=key, grain=grain)
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
    """Show the sales of the last 365 days by area (store or sales region)."""
    _show("Sales by area", AreaSales, as_csv, limit, kind=by, area=area)


@commands.command()
def years(by: SalesKind = SalesKind.ALL, limit: Limit = 1000, as_csv: AsCsv = False) -> None:
    """Show the sales of each year, less returns."""
    _show("Sales by year", YearSales, as_csv, limit, kind=by)
