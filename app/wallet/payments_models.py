"""Payments: cash back that goes out, charges that come in."""

from dataclasses import dataclass
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
