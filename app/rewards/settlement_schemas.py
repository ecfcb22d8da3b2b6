"""What goes in and out of the routes of payments, claims and statements."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.paging import Next
from app.rewards.settlement_models import ClaimState, Direction, EntryKind, PaymentState
from app.text import Prose


class PaymentOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    payment_id: UUID
    direction: Direction = Field(
        description="in: a subscription's charge; out: cash back to a member, or a charge paid back"
    )
    amount_minor: int
    currency: str
    state: PaymentState
    redemption_id: UUID | None
    subscription_id: UUID | None
    instructed_at: datetime
    changed_at: datetime
    refund_of: UUID | None = Field(description="the charge that it pays back")


class PaymentsOut(BaseModel):
    payments: list[PaymentOut]
    next: Next


class PaymentMoveIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "settled"}]})
    to: PaymentState


class ClaimIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "order_id": "0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10",
                    "line": 1,
                    "evidence": "The promotion said double points; I got single.",
                }
            ]
        },
    )
    order_id: UUID
    line: int = Field(ge=1, strict=True)
    evidence: Prose = Field(min_length=1, max_length=4_000)


class ClaimDecisionIn(BaseModel):
    """Points accept the claim; none refuse it. Either way the member reads the reason."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"points": 25, "reason": "The promotion ran that day."}]}
    )
    points: int | None = Field(None, gt=0, le=1_000_000_000, strict=True)
    reason: Prose = Field(min_length=1, max_length=2_000)


class ClaimOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    claim_id: UUID
    order_id: UUID
    line: int
    evidence: str
    state: ClaimState
    reason: str | None
    lot_id: UUID | None = Field(description="what an accepted claim earned")
    opened_at: datetime
    decided_at: datetime | None


class ClaimsOut(BaseModel):
    claims: list[ClaimOut]
    next: Next


class VendorStatementOut(BaseModel):
    """Points, and what they are worth in minor units. closing = carried_over + earned − taken_back."""

    model_config = ConfigDict(from_attributes=True)
    period: str
    carried_over: int = Field(description="what was charged before, less what came back: negative is a credit")
    earned: int = Field(description="charged for what purchases of the vendor's products earned")
    taken_back: int = Field(description="given back for returned units")
    closing: int
    closing_minor: int = Field(description="the closing points' worth, rounded half to even")
    currency: str
    minor_per_100_points: int = Field(description="what 100 points were worth as the month ended")


class StatementEntryOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    at: datetime
    kind: EntryKind
    points: int
    says: str
    reference: UUID | None = Field(description="the order, redemption or correction; the night has none")


class StatementMonthOut(BaseModel):
    """opening + earned + corrected − returned − spent − expired = closing = pending + available − owed."""

    model_config = ConfigDict(from_attributes=True)
    month: str
    opening: int
    earned: int
    corrected: int = Field(description="booked by hand, less what was taken by hand")
    confirmed: int = Field(description="moved from pending to available")
    returned: int
    spent: int = Field(description="less what was taken back")
    expired: int
    closing: int
    pending: int
    available: int
    owed: int
    entries: list[StatementEntryOut]


class YearStatementOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    member_id: UUID
    year: int
    opening: int
    closing: int
    months: list[StatementMonthOut] = Field(description="those in which anything happened")
