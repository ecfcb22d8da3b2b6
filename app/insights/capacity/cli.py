"""`rewards capacity` prints the plan as a table or CSV, and draws its forecast."""

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
    until: Annotated[str | None, typer.Option(help="the history's end, an instant or a day; now if absent")] = None,
    times: Annotated[float, typer.Option(help="as if there were that many times the orders")] = 1,
    plot: Annotated[Path | None, typer.Option(help="an .svg or .png file to draw the forecast into")] = None,
    as_csv: AsCsv = False,
) -> None:
    """From the orders' own hours: how busy it is and will be, and what to reserve in AWS."""
    end = when(until, "--until")
    if plot is not None:
        plots.drawable(plot)
    with session() as opened:
        plan = service.plan(opened, clock(), begin_of(end, programs.program(opened).zone) if end else None, times)
    if not as_csv:
        _say(plan)
    show("What to reserve, US dollars a month", Reservation, plan.reservations, as_csv=as_csv, screen=screen)
    if plot is not None:
        _draw(plan, plot)


def _say(plan: Plan) -> None:
    profile, accuracy = plan.profile, plan.accuracy
    screen.print(
        f"{plan.since:%Y-%m-%d} to {plan.until:%Y-%m-%d}: {profile.mean:,.1f} orders an hour on average, "
        f"{profile.busy:,.0f} in the busiest hour of a hundred; {profile.idle_share:.0%} of the hours have less than "
        f"half the average\nforecasts of {accuracy.weeks} weeks that were held out: {accuracy.ratio:.3f} of the error "
        f"of last week repeated, {accuracy.within:.0%} of the hours within the interval"
        + (f"\nas if there were {plan.times:,g} times the orders" if plan.times != 1 else "")
    )


def _draw(plan: Plan, path: Path) -> None:
    forecasts = plan.forecast
    plots.lines(
        path,
        "Orders an hour, forecast for two weeks",
        {
            "forecast": [(forecast.at.replace(tzinfo=None), forecast.orders) for forecast in forecasts],
            "low": [(forecast.at.replace(tzinfo=None), forecast.low) for forecast in forecasts],
            "high": [(forecast.at.replace(tzinfo=None), forecast.high) for forecast in forecasts],
        },
        y="orders",
    )
