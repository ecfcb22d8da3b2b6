"""The program's settings, as an administrator changes them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import Conflict
from app.offers import life as offers
from app.rewards import service
from app.rewards.models import Program
from app.vendors import service as vendors


def change(session: WriteSession, changes: Mapping[str, Any], clock: Clock) -> Program:
    """Raises BadInput for what is no currency now, and Conflict for another one than what is priced already is in."""
    before = service.program(session)
    changed = replace(before, **changes)
    if changed.currency != before.currency and _is_priced(session, clock):
        raise Conflict(f"there are vendors or offers already, and they count in {before.currency}")
    service.change_program(session, changed, clock)
    return changed


def _is_priced(session: Session, clock: Clock) -> bool:
    return bool(vendors.vendors(session, None, None, 1) or offers.offers(session, None, clock, None, 1))
