"""Statements of a vendor's month and of a member's year."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.wallet.movements import Entry


@dataclass(frozen=True)
class Statement:
    """A vendor's month in points: closing = carried_over + earned − taken_back. A negative closing is a credit."""

    period: str
    carried_over: int
    earned: int
    taken_back: int
    closing: int
    closing_minor: int
    currency: str
    minor_per_100_points: int


@dataclass(frozen=True)
class Month:
    """A member's month in points: opening + earned + corrected − returned − spent − expired = closing.

    closing = pending + available − owed; `confirmed` points moved from pending to available. `entries` list the
    movements.
    """

    month: str
    opening: int
    earned: int
    corrected: int
    confirmed: int
    returned: int
    spent: int
    expired: int
    closing: int
    pending: int
    available: int
    owed: int
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Year:
    """A member's year, with the months that have movements."""

    member_id: UUID
    year: int
    opening: int
    closing: int
    months: Sequence[Month]
