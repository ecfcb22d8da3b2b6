"""What goes in and out of the routes of payments, claims and statements."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.mirrors import mirrors
from app.paging import Next
from app.rewards.settlement_models import Claim, Direction, Entry, Month, Payment, PaymentState, Statement, Year
from app.text import Prose


@mirrors(Payment, without=("member_id",))
class PaymentOut(BaseModel):
    direction: Direction = Field(
        description="in: a subscription's charge; out: cash back to a member, or a charge paid back"
    )
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


@mirrors(Claim, without=("member_id",))
class ClaimOut(BaseModel):
    lot_id: UUID | None = Field(description="what an accepted claim earned")


class ClaimsOut(BaseModel):
    claims: list[ClaimOut]
    next: Next


@mirrors(Statement)
class VendorStatementOut(BaseModel):
    """Points, and what they are worth in minor units. closing = carried_over + earned − taken_back."""

    carried_over: int = Field(description="what was charged before, less what came back: negative is a credit")
    earned: int = Field(description="charged for what purchases of the vendor's products earned")
    taken_back: int = Field(description="given back for returned units")
    closing_minor: int = Field(description="the closing points' worth, rounded half to even")
    minor_per_100_points: int = Field(description="what 100 points were worth as the month ended")


@mirrors(Entry)
class StatementEntryOut(BaseModel):
    reference: UUID | None = Field(description="the order, redemption or correction; the night has none")


@mirrors(Month)
class StatementMonthOut(BaseModel):
    """opening + earned + corrected − returned − spent − expired = closing = pending + available − owed."""

    corrected: int = Field(description="booked by hand, less what was taken by hand")
    confirmed: int = Field(description="moved from pending to available")
    spent: int = Field(description="less what was taken back")
    entries: list[StatementEntryOut]


@mirrors(Year)
class YearStatementOut(BaseModel):
    months: list[StatementMonthOut] = Field(description="those in which anything happened")
