"""The route that lists nightly calculations, for analysts."""

from functools import partial

from pydantic import BaseModel

from app.auth import Analyst
from app.mirrors import mirrors
from app.night import service as nightly
from app.night.models import NightlyReport
from app.paging import ByNumber, Next
from app.routing import Router
from app.wiring import Db

router = Router(tags=["rewards"])


@mirrors(NightlyReport)
class NightlyRunOut(BaseModel):
    pass


class NightlyRunsOut(BaseModel):
    runs: list[NightlyRunOut]
    next: Next


@router.get("/nightly-runs", summary="The nightly calculations")
def list_nightly_runs(caller: Analyst, paging: ByNumber, db: Db) -> NightlyRunsOut:
    """Returns the nightly calculations, newest first: lots and points confirmed and expired, subscriptions renewed."""
    with db.read() as session:
        page = paging.page(partial(nightly.runs, session), "run_id")
    return NightlyRunsOut(runs=[NightlyRunOut.model_validate(run) for run in page.rows], next=page.next)
