"""Statements: a vendor's month, a member's year."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.wallet.movements import Entry


@dataclass(frozen=True)
class Statement:
    """In points: closing = carried_over + earned − taken_back. A negative closing is a credit, carried on."""

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
    """Points: opening + earned + corrected − returned − spent − expired = closing.

    The closing is pending + available − owed; what was confirmed moved from the first to the second. `entries` say
    where each of them comes from.
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
    """Its months in which anything happened."""

    member_id: UUID
    year: int
    opening: int
    closing: int
    months: Sequence[Month]
