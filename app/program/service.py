"""Read and change the program's settings."""

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
    """Change the program's settings. Raises BadInput if the currency is not a current ISO 4217 code."""
    if not is_currency(changed.currency):
        message = f"{changed.currency} is no currency that ISO 4217 lists now"
        raise BadInput(message, [FieldError("currency", "unknown-currency", "a code that it lists, as USD")])
    repository.set_program(session, changed)
    repository.remember_program(session, changed, clock.now())
    ledger.append(session, "program", "program", changed)
