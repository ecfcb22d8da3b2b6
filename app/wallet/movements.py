"""What moved in a wallet, as statements sum it up."""

from dataclasses import astuple, dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

BEFORE = ""
"""The month of all movements before a year."""


@dataclass(frozen=True)
class Movements:
    """How a member's points moved in a month, as the postings say; the last three are by how much each changed."""

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
        mine, others = astuple(self)[1:], astuple(other)[1:]
        return Movements(other.month, *(one + another for one, another in zip(mine, others, strict=True)))

    @property
    def points(self) -> int:
        return self.pending + self.available - self.owed


class EntryKind(StrEnum):
    EARNED = "earned"
    CORRECTED = "corrected"  # by hand; below nothing: taken
    CONFIRMED = "confirmed"
    RETURNED = "returned"
    SPENT = "spent"
    CANCELLED = "cancelled"  # a redemption that was taken back
    EXPIRED = "expired"


@dataclass(frozen=True)
class Entry:
    """A line of a member's statement. `reference` is the order, redemption or correction; the night has none."""

    at: datetime
    kind: EntryKind
    points: int
    says: str
    reference: UUID | None
