"""The program's terms, and changing them."""

from app.auth import Admin
from app.campaigns import program_settings
from app.campaigns.program_schemas import ProgramOut, ProgramPatch
from app.errors import (
    Conflict,
)
from app.problems import problems
from app.program import service as programs
from app.routing import Router
from app.wiring import Db, Time

router = Router(tags=["rewards"])


@router.get("/program", summary="The program's terms")
def get_program(db: Db) -> ProgramOut:
    """Open to all."""
    with db.read() as session:
        return ProgramOut.of(programs.program(session))


@router.patch("/program", summary="Change the program", responses=problems(Conflict))
def change_program(asked: ProgramPatch, caller: Admin, db: Db, clock: Time) -> ProgramOut:
    """Only what is sent changes, for orders and nights from now on; what was bought and closed statements stay.

    The currency is chosen before the first vendor and offer: they count in it.
    """
    with db.write() as session:
        return ProgramOut.of(program_settings.change(session, asked.model_dump(exclude_unset=True), clock))
