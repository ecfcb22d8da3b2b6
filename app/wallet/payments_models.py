"""Payments: incoming charges for subscriptions, outgoing cash back and refunds."""

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
    """A payment of cash back, a charge for a subscription period, or the refund of a charge."""

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
