"""What goes in and out of the rewards routes."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.catalog.return_terms import TermsIn, TermsOut
from app.errors import FieldError
from app.ids import new_id
from app.mirrors import mirrors
from app.money import MOST_POINTS
from app.paging import Next
from app.rewards.earners import Method, OverCap, Rule, Scope, Stacking, targeted
from app.rewards.life_schemas import LIMITED, Target, Why
from app.rewards.models import (
    EarningBase,
    LotSource,
    LotState,
    NightlyReport,
    Program,
    Redemption,
    ReturnPolicy,
)
from app.rewards.stages import State
from app.simulation.schemas import SimulationIn, one_of_both
from app.text import Name
from app.times import Instant


def _known(zone: str) -> str:
    if zone not in available_timezones():
        raise ValueError(f"{zone} is no time zone of the IANA database, as America/New_York is")
    return zone


@mirrors(Program)
class ProgramOut(BaseModel):
    currency_digits: int = Field(description="behind the point: 1234 minor units are 12.34 with two, 1.234 with three")
    time_zone: str = Field(description="its midnight confirms, and its days count")
    minor_per_100_points: int = Field(description="what 100 points are worth")
    return_window_days: int = Field(description="of products whose category has none either")
    expire_after_days: int | None = Field(description="counted from the confirmation; null: points do not expire")
    correction_limit_points: int = Field(
        description="what may be booked or taken by hand for a member in a day without a second administrator"
    )
    most_percent: int = Field(description="of what is paid, that a rule or offer gives without a second administrator")
    most_multiplier_percent: int = Field(description="to which others' points are raised without one")
    most_points_per_unit: int = Field(description="that are given without one")
    most_points_per_order: int = Field(description="that a rule or offer gives in an order without one")
    most_points_per_day: int | None = Field(description="that it gives in a business day without one; null: any number")
    most_points_in_all: int | None = Field(description="that it gives in all without one; null: any number")
    return_terms: TermsOut = Field(description="by kind; of products and categories that have none of their own")

    @classmethod
    def of(cls, program: Program) -> Self:
        terms = {"days": program.return_window_days, "points": program.return_policy, **program.return_terms}
        return cls.model_validate(program).model_copy(update={"return_terms": terms})


class ProgramPatch(BaseModel):
    """Any of these. The factories only mark what may be left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"return_policy": "negative"}]})
    name: Name = Field(default_factory=str)
    currency: str = Field(
        pattern="^[A-Z]{3}$",
        default_factory=str,
        description="one that ISO 4217 lists now; it stays once there is a vendor or an offer",
    )
    time_zone: Annotated[str, AfterValidator(_known)] = Field(default_factory=str)
    minor_per_100_points: int = Field(gt=0, le=1_000_000, strict=True, default_factory=int)
    return_window_days: int = Field(ge=0, le=365, strict=True, default_factory=int)
    expire_after_days: int | None = Field(None, gt=0, le=36_500, strict=True)
    return_policy: ReturnPolicy = ReturnPolicy.WITHIN_BALANCE
    earning_base: EarningBase = EarningBase.NET
    correction_limit_points: int = Field(ge=0, le=1_000_000_000, strict=True, default_factory=int)
    most_percent: int = Field(ge=0, le=1_000_000, strict=True, default_factory=int)
    most_multiplier_percent: int = Field(ge=100, le=1_000_000, strict=True, default_factory=int)
    most_points_per_unit: int = Field(ge=0, le=10**9, strict=True, default_factory=int)
    most_points_per_order: int = Field(ge=0, le=MOST_POINTS, strict=True, default_factory=int)
    most_points_per_day: int | None = Field(None, ge=0, le=MOST_POINTS, strict=True)
    most_points_in_all: int | None = Field(None, ge=0, le=MOST_POINTS, strict=True)
    return_terms: TermsIn = Field(
        default_factory=dict,
        description="by kind; what is left out stays, null gives one up; days is return_window_days, points is "
        "return_policy, and these two can't be given up",
    )


class WalletOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    pending: int = Field(description="points whose return window still runs")
    available: int = Field(description="points that can be spent")
    owed: int = Field(description="points that returns took beyond what was there; paid by what is confirmed next")


class LotOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    lot_id: UUID
    source: LotSource
    source_id: UUID | None = Field(description="the correction's id; null for a purchase, which its order names")
    order_id: UUID | None
    line: int | None
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
    next: Next


class RedemptionIn(BaseModel):
    """An item names its offer, cash back its points."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "cash_back", "points": 100}]})
    kind: Literal["item", "cash_back"]
    offer_id: UUID | None = Field(None, validate_default=True)
    points: int | None = Field(None, gt=0, le=MOST_POINTS, strict=True, validate_default=True)

    @field_validator("offer_id", "points")
    @classmethod
    def _fits_its_kind(cls, value: UUID | int | None, told: ValidationInfo) -> UUID | int | None:
        needed = {"offer_id": "item", "points": "cash_back"}[told.field_name or ""]
        if "kind" in told.data and (value is None) == (told.data["kind"] == needed):
            raise ValueError("an item needs offer_id alone, cash_back needs points alone")
        return value


@mirrors(Redemption, without=("member_id",))
class RedemptionOut(BaseModel):
    pass


class RedemptionsOut(BaseModel):
    redemptions: list[RedemptionOut]
    next: Next


class RuleTerms(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "Private label", "scope": "brand", "target": "Private", "method": "rate", "amount": 8}
            ]
        },
    )
    name: Name
    scope: Scope
    target: Target = Field(
        "",
        validate_default=True,
        description="a product's, category's or vendor's id, or a brand's name",
    )
    method: Method
    amount: int = Field(
        ge=0,
        le=1_000_000,
        strict=True,
        description="points for every 1.00 (rate) or per unit (fixed), hundredths of a percent (cash_back), percent to "
        "which other rules' points are raised (multiplier)",
    )
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    stacking: Stacking = Stacking.PARTICULAR
    priority: int = Field(0, ge=-100, le=100, strict=True, description="of equals the higher comes first")
    cap_member: int | None = Field(
        None, gt=0, le=MOST_POINTS, strict=True, description="most points it gives to a member"
    )
    cap_member_day: int | None = Field(None, gt=0, le=MOST_POINTS, strict=True, description="and to a member in a day")
    budget: int | None = Field(None, gt=0, le=MOST_POINTS, strict=True, description="most points it gives to all")
    over_cap: OverCap = OverCap.REDUCE
    when_free: bool = Field(False, strict=True, description="whether a line that costs nothing earns by it too")

    @field_validator("target")
    @classmethod
    def _names_what_the_scope_covers(cls, target: str, told: ValidationInfo) -> str:
        return targeted(target, told.data.get("scope"))

    @field_validator("amount")
    @classmethod
    def _multiplies(cls, amount: int, told: ValidationInfo) -> int:
        if told.data.get("method") is Method.MULTIPLIER and amount <= 100:
            raise ValueError("the amount of a multiplier is percent, and more than 100")
        return amount


class RuleIn(RuleTerms):
    draft: bool = Field(default=False, strict=True, description="keep it, and start it later")

    def kept(self) -> Rule:
        return Rule(rule_id=new_id(), **self.model_dump(exclude={"draft"}))


class RuleSimulationIn(SimulationIn):
    """Either a rule as `POST /rules` takes it, or the id of one that is kept."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"weeks": 4, "rule": {"name": "Eight", "scope": "everything", "method": "rate", "amount": 8}},
            ]
        },
    )
    rule_id: UUID | None = None
    rule: RuleIn | None = Field(None, validate_default=True)

    @field_validator("rule")
    @classmethod
    def _is_one_of_both(cls, rule: RuleIn | None, told: ValidationInfo) -> RuleIn | None:
        return one_of_both(rule, told, "rule_id")


class RulePatch(BaseModel):
    """Only what is sent changes."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"amount": 8, "reason": "Eight, as the board decided"}]}
    )
    reason: Why
    name: Name = Field(default_factory=str)
    scope: Scope = Scope.EVERYTHING
    target: Target = ""
    method: Method = Method.RATE
    amount: int = Field(ge=0, le=1_000_000, strict=True, default_factory=int)
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    stacking: Stacking = Stacking.PARTICULAR
    priority: int = Field(ge=-100, le=100, strict=True, default_factory=int)
    cap_member: int | None = Field(None, gt=0, le=10**12, strict=True)
    cap_member_day: int | None = Field(None, gt=0, le=10**12, strict=True)
    budget: int | None = Field(None, gt=0, le=10**12, strict=True)
    over_cap: OverCap = OverCap.REDUCE
    when_free: bool = Field(strict=True, default_factory=bool)

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, exclude={"reason"})


class RuleOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    rule_id: UUID
    state: State
    past_limits: list[FieldError] = Field(
        [], description="of a draft: what it needs a second administrator's approval for"
    )
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
    when_free: bool
    limited: bool = Field(description=LIMITED)

    @classmethod
    def of(cls, rule: Rule, at: datetime, past_limits: Sequence[FieldError] = ()) -> Self:
        past = [vars(error) for error in past_limits]
        return cls.model_validate({**rule.__dict__, "state": rule.state(at), "past_limits": past})


class RulesOut(BaseModel):
    rules: list[RuleOut]
    next: Next


@mirrors(NightlyReport)
class NightlyRunOut(BaseModel):
    pass


class NightlyRunsOut(BaseModel):
    runs: list[NightlyRunOut]
    next: Next
