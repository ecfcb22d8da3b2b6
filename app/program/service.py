"""The program's settings: what they are, and changing them."""

from app import ledger
from app.clock import Clock
from app.db import WriteSession
from app.errors import BadInput, FieldError
from app.money import is_currency
from app.program import repository
from app.program.models import Program

program = repository.program
zone = repository.zone
history = repository.program_history


def change(session: WriteSession, changed: Program, clock: Clock) -> None:
    """Closed months keep what was in force as they ended. Raises BadInput for what is no currency now."""
    if not is_currency(changed.currency):
        says = f"{changed.currency} is no currency that ISO 4217 lists now"
        raise BadInput(says, [FieldError("currency", "unknown-currency", "a code that it lists, as USD")])
    repository.set_program(session, changed)
    repository.remember_program(session, changed, clock.now())
    ledger.append(session, "program", "program", changed)
