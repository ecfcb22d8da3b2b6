"""The nightly calculations, for analysts."""

from functools import partial

from app.auth import Analyst
from app.night import service as nightly
from app.night.schemas import NightlyRunOut, NightlyRunsOut
from app.paging import ByNumber
from app.routing import Router
from app.wiring import Db

router = Router(tags=["rewards"])


@router.get("/nightly-runs", summary="The nightly calculations")
def list_nightly_runs(caller: Analyst, asked: ByNumber, db: Db) -> NightlyRunsOut:
    """What each run confirmed, expired and renewed, newest first."""
    with db.read() as session:
        page = asked.page(partial(nightly.runs, session), "run_id")
    return NightlyRunsOut(runs=[NightlyRunOut.model_validate(run) for run in page.rows], next=page.next)
