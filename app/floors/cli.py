"""The `rewards floors` command: print the floors that are planned now as a table or CSV."""

from app.floors import service
from app.floors.models import Floor
from app.settings import command_settings
from app.tabular import show
from app.terminal import AsCsv, clock, screen, session


def floors(as_csv: AsCsv = False) -> None:
    """Print the least numbers of pods of today and tomorrow: for which service and hours, why, and their cost."""
    settings = command_settings()
    with session() as opened:
        plan = service.plan(opened, settings, clock())
    show("Floors of pods, US dollars at most", Floor, plan.floors, as_csv=as_csv, screen=screen)
    if plan.limited and not as_csv:
        screen.print(f"some day's would cost more than {settings.floors_usd_a_day:,g} US dollars: all of it are lower")
