"""A member's statement of points: sums by month, and single entries."""

from dataclasses import astuple, dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

BEFORE = ""
"""The `month` of the sum of all movements before the first month of a statement."""


@dataclass(frozen=True)
class Movements:
    """A month's sums of a member's points by kind of movement.

    `pending`, `available` and `owed` are the changes of these balances in the month.
    """

    month: str
    earned: int = 0
    corrected: int = 0
    confirmed: int = 0
    returned: int = 0
    spent: int = 0
    expired: int = 0
    pending: int = 0
    available: int = 0
    owed: int = 0

    def __add__(self, other: "Movements") -> "Movements":
        left_values, right_values = astuple(self)[1:], astuple(other)[1:]
        return Movements(other.month, *(left + right for left, right in zip(left_values, right_values, strict=True)))

    @property
    def points(self) -> int:
        return self.pending + self.available - self.owed


class EntryKind(StrEnum):
    EARNED = "earned"
    CORRECTED = "corrected"  # by administrators; negative if taken
    CONFIRMED = "confirmed"
    RETURNED = "returned"
    SPENT = "spent"
    CANCELLED = "cancelled"  # a redemption that was cancelled
    EXPIRED = "expired"


@dataclass(frozen=True)
class Entry:
    """A line of a member's statement; `reference` is the id of its order, redemption or correction, if it has one."""

    at: datetime
    kind: EntryKind
    points: int
    says: str
    reference: UUID | None
