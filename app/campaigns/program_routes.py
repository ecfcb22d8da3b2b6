"""The routes that show and change the program's terms."""

from app.auth import Admin
from app.campaigns import program_settings
from app.campaigns.program_schemas import ProgramOut, ProgramPatch
from app.errors import Conflict
from app.problems import problems
from app.program import service as programs
from app.routing import Router
from app.wiring import Db, Time

router = Router(tags=["rewards"])


@router.get("/program", summary="The program's terms")
def get_program(db: Db) -> ProgramOut:
    """Returns the program's terms: currency, worth of points, return policy and limits. Needs no token."""
    with db.read() as session:
        return ProgramOut.of(programs.program(session))


@router.patch("/program", summary="Change the program", responses=problems(Conflict))
def change_program(patch: ProgramPatch, caller: Admin, db: Db, clock: Time) -> ProgramOut:
    """Changes the program's terms for orders and calculations from now on. Absent fields keep their values.

    The currency is fixed once there is a vendor or offer, as their amounts are in that currency.
    """
    with db.write() as session:
        return ProgramOut.of(program_settings.change(session, patch.model_dump(exclude_unset=True), clock))
