"""What goes out of the night's routes."""

from pydantic import BaseModel

from app.mirrors import mirrors
from app.night.models import NightlyReport
from app.paging import Next


@mirrors(NightlyReport)
class NightlyRunOut(BaseModel):
    pass


class NightlyRunsOut(BaseModel):
    runs: list[NightlyRunOut]
    next: Next
