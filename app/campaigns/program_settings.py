"""Change the program's settings: currency, worth of points, return terms and limits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.catalog.return_terms import in_columns, merged
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import BadInput, Conflict, FieldError
from app.offers import service as offers
from app.program import service as programs
from app.program.models import Program, ReturnPolicy
from app.vendors import service as vendors

_COLUMNS = {"days": "return_window_days", "points": "return_policy"}
"""Kinds of return terms that the program stores in columns, by kind."""


def change(session: WriteSession, changes: Mapping[str, Any], clock: Clock) -> Program:
    """Change the program's settings, and return all of them.

    In `return_terms`, kinds of terms that are absent keep their value, and None removes a term. `return_window_days`
    and the return term `days` are one setting, as are `return_policy` and the return term `points`. Raises BadInput if
    both are sent with different values, for an unknown currency, and if a required return term is removed. Raises
    Conflict if the currency changes after the first vendor or offer.
    """
    before = programs.program(session)
    changed = _changed(before, in_columns(changes, **_COLUMNS))
    if changed.currency != before.currency and _is_priced(session, clock):
        raise Conflict(f"there are vendors or offers already, and they count in {before.currency}")
    programs.change(session, changed, clock)
    return changed


def _changed(before: Program, changes: Mapping[str, Any]) -> Program:
    errors = [
        FieldError(f"return_terms.{kind}", "needed", "every program has it")
        for kind, column in _COLUMNS.items()
        if column in changes and changes[column] is None
    ]
    if errors:
        raise BadInput("a program has a return window and a return policy", errors)
    return replace(
        before,
        **{
            **changes,
            "return_policy": ReturnPolicy(changes.get("return_policy", before.return_policy)),
            "return_terms": merged(before.return_terms, changes.get("return_terms", {})),
        },
    )


def _is_priced(session: Session, clock: Clock) -> bool:
    return bool(vendors.vendors(session, None, None, 1) or offers.offers(session, None, clock, None, 1))
