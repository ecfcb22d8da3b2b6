"""The `rewards capacity` command: print the capacity plan as a table or CSV, and plot the forecast."""

from pathlib import Path
from typing import Annotated

import typer

from app.insights import plots
from app.insights.capacity import service
from app.insights.capacity.models import Plan, Reservation
from app.program import service as programs
from app.tabular import show
from app.terminal import AsCsv, clock, screen, session, when
from app.times import begin_of


def capacity(
    until: Annotated[str | None, typer.Option(help="end of the history, an instant or a day; default: now")] = None,
    times: Annotated[float, typer.Option(help="plan for so many times the forecast orders")] = 1,
    plot: Annotated[Path | None, typer.Option(help="an .svg or .png file to draw the forecast into")] = None,
    as_csv: AsCsv = False,
) -> None:
    """Forecast two weeks of hourly orders from the order history, and print what to reserve in AWS."""
    end = when(until, "--until")
    if plot is not None:
        plots.check_type(plot)
    with session() as opened:
        plan = service.plan(opened, clock(), begin_of(end, programs.zone(opened)) if end else None, times)
    if not as_csv:
        _summarize(plan)
    show("What to reserve, US dollars a month", Reservation, plan.reservations, as_csv=as_csv, screen=screen)
    if plot is not None:
        _draw(plan, plot)


def _summarize(plan: Plan) -> None:
    profile, accuracy = plan.profile, plan.accuracy
    screen.print(
        f"{plan.since:%Y-%m-%d} to {plan.until:%Y-%m-%d}: {profile.mean:,.1f} orders an hour on average, "
        f"{profile.busy:,.0f} in the busiest hour of a hundred; {profile.idle_share:.0%} of the hours have less than "
        f"half the average\nforecasts of {accuracy.weeks} weeks that were held out: {accuracy.ratio:.3f} of the error "
        f"of last week repeated, {accuracy.within:.0%} of the hours within the interval"
        + (f"\nas if there were {plan.times:,g} times the orders" if plan.times != 1 else "")
    )


def _draw(plan: Plan, path: Path) -> None:
    hours = [(hour.at.replace(tzinfo=None), hour) for hour in plan.forecast]
    series = {
        "forecast": [(at, hour.orders) for at, hour in hours],
        "low": [(at, hour.low) for at, hour in hours],
        "high": [(at, hour.high) for at, hour in hours],
    }
    plots.lines(path, "Orders an hour, forecast for two weeks", series, y="orders")
