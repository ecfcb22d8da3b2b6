"""Payments, claims and statements: what is settled between members, vendors and the program."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Direction(StrEnum):
    OUT = "out"
    IN = "in"


class PaymentState(StrEnum):
    INSTRUCTED = "instructed"
    SENT = "sent"
    SETTLED = "settled"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Payment:
    """For a redemption of cash back, for a period of a subscription, or to pay such a charge back."""

    payment_id: UUID
    direction: Direction
    member_id: UUID
    amount_minor: int
    currency: str
    state: PaymentState
    redemption_id: UUID | None
    subscription_id: UUID | None
    instructed_at: datetime
    changed_at: datetime
    refund_of: UUID | None = None


class ClaimState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True)
class Claim:
    """For one line of an order: `evidence` is what the member says, `reason` what was answered."""

    claim_id: UUID
    member_id: UUID
    order_id: UUID
    line: int
    evidence: str
    state: ClaimState
    reason: str | None
    lot_id: UUID | None
    opened_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True)
class Reconciliation:
    """`difference` names the first that was found; None where all books agree."""

    at: datetime
    wallets: int
    seconds: float
    difference: str | None


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
