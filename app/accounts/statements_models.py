"""The monthly statement of a vendor and the yearly statement of a member."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.wallet.movements import Entry


@dataclass(frozen=True)
class Statement:
    """A vendor's month in points: closing = carried_over + earned − taken_back, owed by the vendor if positive."""

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

    closing = pending + available − owed; `confirmed` points moved from pending to available.
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
    """A member's year in points, with the months in which points moved."""

    member_id: UUID
    year: int
    opening: int
    closing: int
    months: Sequence[Month]
