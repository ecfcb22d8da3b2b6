"""What goes in and out of the rewards routes."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.rewards.earners import Method, OverCap, Scope, Stacking
from app.rewards.models import (
    ClaimState,
    Direction,
    EarningBase,
    EntryKind,
    LotState,
    PaymentState,
    RedemptionKind,
    RedemptionState,
    ReturnPolicy,
)
from app.times import Instant


def _known(zone: str) -> str:
    if zone not in available_timezones():
        raise ValueError(f"{zone} is no time zone of the IANA database, as America/New_York is")
    return zone


class ProgramOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    name: str
    currency: str
    time_zone: str = Field(description="its midnight confirms, and its days count")
    minor_per_100_points: int = Field(description="what 100 points are worth")
    return_window_days: int = Field(description="of products whose category has none either")
    expire_after_days: int | None = Field(description="counted from the confirmation; null: points do not expire")
    return_policy: ReturnPolicy
    earning_base: EarningBase


class ProgramPatch(BaseModel):
    """Any of these; the currency stays, as every price is in it. The factories only mark what may be left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"return_policy": "negative"}]})
    name: str = Field(min_length=1, max_length=200, default_factory=str)
    time_zone: Annotated[str, AfterValidator(_known)] = Field(default_factory=str)
    minor_per_100_points: int = Field(gt=0, le=1_000_000, strict=True, default_factory=int)
    return_window_days: int = Field(ge=0, le=365, strict=True, default_factory=int)
    expire_after_days: int | None = Field(None, gt=0, le=36_500, strict=True)
    return_policy: ReturnPolicy = ReturnPolicy.WITHIN_BALANCE
    earning_base: EarningBase = EarningBase.NET


class WalletOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    pending: int = Field(description="points whose return window still runs")
    available: int = Field(description="points that can be spent")
    owed: int = Field(description="points that returns took beyond what was there; paid by what is confirmed next")


class LotOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    lot_id: UUID
    order_id: UUID
    line: int
    units: int
    points: int
    unspent: int
    state: LotState
    earned_at: datetime
    matures_on: date = Field(description="confirmed at this day's midnight")
    expires_on: date | None
    split_from: UUID | None = Field(description="the lot that these units were part of until they came back")
    explanation: dict[str, Any] = Field(
        description="why this many: rule, base, what comes on top, rounding, window, returns"
    )


class LotsOut(BaseModel):
    lots: list[LotOut]
    next: UUID | None = Field(description="send it as `after` for the next page; null at the end")


class RedemptionIn(BaseModel):
    """An item names its offer, cash back its points."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "cash_back", "points": 100}]})
    kind: Literal["item", "cash_back"]
    offer_id: UUID | None = None
    points: int | None = Field(None, gt=0, strict=True)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "RedemptionIn":
        if (self.offer_id is None) == (self.kind == "item") or (self.points is None) == (self.kind == "cash_back"):
            raise ValueError("an item needs offer_id alone, cash_back needs points alone")
        return self


class RedemptionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    redemption_id: UUID
    kind: RedemptionKind
    state: RedemptionState
    points: int
    amount_minor: int | None
    order_id: UUID | None
    offer_id: UUID | None
    redeemed_at: datetime


class RedemptionsOut(BaseModel):
    redemptions: list[RedemptionOut]


class RuleIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "Private label", "scope": "brand", "target": "Private", "method": "rate", "amount": 8}
            ]
        },
    )
    name: str = Field(min_length=1, max_length=200)
    scope: Scope
    target: str = Field("", max_length=200, description="a product's, category's or vendor's id, or a brand's name")
    method: Method
    amount: int = Field(
        ge=0,
        le=1_000_000,
        strict=True,
        description="points per 1.00 (rate) or per unit (fixed), hundredths of a percent (cash_back), percent to which "
        "other rules' points are raised (multiplier)",
    )
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    stacking: Stacking = Stacking.PARTICULAR
    priority: int = Field(0, ge=-100, le=100, strict=True, description="of equals the higher comes first")
    cap_member: int | None = Field(None, gt=0, le=10**12, strict=True, description="most points it gives to a member")
    cap_member_day: int | None = Field(None, gt=0, le=10**12, strict=True, description="and to a member in a day")
    budget: int | None = Field(None, gt=0, le=10**12, strict=True, description="most points it gives to all")
    over_cap: OverCap = OverCap.REDUCE

    @model_validator(mode="after")
    def _can_be(self) -> "RuleIn":
        if (self.scope is Scope.EVERYTHING) != (self.target == ""):
            raise ValueError("target names what the scope covers, and is empty for everything")
        if self.method is Method.MULTIPLIER and self.amount <= 100:
            raise ValueError("the amount of a multiplier is percent, and more than 100")
        return self


class RuleOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    rule_id: UUID
    name: str
    scope: Scope
    target: str
    method: Method
    amount: int
    starts_at: datetime | None
    ends_at: datetime | None
    stacking: Stacking
    priority: int
    cap_member: int | None
    cap_member_day: int | None
    budget: int | None
    over_cap: OverCap


class RulesOut(BaseModel):
    rules: list[RuleOut]


class NightlyOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    business_date: date
    started_at: datetime
    seconds: float
    confirmed_lots: int
    confirmed_points: int
    expired_lots: int
    expired_points: int
    renewed: int
    lapsed: int
    oldest_due: date | None


class NightlyRunsOut(BaseModel):
    runs: list[NightlyOut]


class PaymentOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    payment_id: UUID
    direction: Direction = Field(description="out: cash back to a member; in: a subscription's charge")
    amount_minor: int
    currency: str
    state: PaymentState
    redemption_id: UUID | None
    subscription_id: UUID | None
    instructed_at: datetime
    changed_at: datetime


class PaymentsOut(BaseModel):
    payments: list[PaymentOut]


class PaymentMove(BaseModel):
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
    evidence: str = Field(min_length=1, max_length=4_000)


class ClaimDecision(BaseModel):
    """Points accept the claim; none refuse it. Either way the member reads the reason."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"points": 25, "reason": "The promotion ran that day."}]}
    )
    points: int | None = Field(None, gt=0, le=1_000_000_000, strict=True)
    reason: str = Field(min_length=1, max_length=2_000)


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


class StatementOut(BaseModel):
    """Points, and what they are worth in minor units. closing = carried_over + earned − taken_back."""

    model_config = ConfigDict(from_attributes=True)
    period: str
    carried_over: int = Field(description="what was charged before, less what came back: negative is a credit")
    earned: int = Field(description="charged for what purchases of the vendor's products earned")
    taken_back: int = Field(description="given back for returned units")
    closing: int
    closing_minor: int = Field(description="the closing points' worth, rounded half to even")
    currency: str


class EntryOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    at: datetime
    kind: EntryKind
    points: int
    says: str
    reference: UUID | None = Field(description="the order, or the redemption; the night has none")


class MonthOut(BaseModel):
    """opening + earned − returned − spent − expired = closing = pending + available − owed."""

    model_config = ConfigDict(from_attributes=True)
    month: str
    opening: int
    earned: int
    confirmed: int = Field(description="moved from pending to available")
    returned: int
    spent: int = Field(description="less what was taken back")
    expired: int
    closing: int
    pending: int
    available: int
    owed: int
    entries: list[EntryOut]


class YearOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    member_id: UUID
    year: int
    opening: int
    closing: int
    months: list[MonthOut] = Field(description="those in which anything happened")
