"""Request and response bodies of the routes of earning rules."""

from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.campaigns.schemas import NOT_SHOWN, LivingOut, PatchIn, SubjectIn, Target
from app.campaigns.simulation_schemas import SimulationIn
from app.earning.earners import OverCap, Scope, Stacking, targeted
from app.earning.lifecycle import Stage
from app.earning.rules import Method, Rule
from app.ids import new_id
from app.mirrors import mirrors
from app.money import MOST_POINTS
from app.paging import Next
from app.text import Name
from app.times import Instant


class RuleIn(SubjectIn):
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
        "", validate_default=True, description="a product's, category's or vendor's id, or a brand's name"
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
    priority: int = Field(0, ge=-100, le=100, strict=True, description="a higher priority is preferred")
    cap_member: int | None = Field(None, gt=0, le=MOST_POINTS, strict=True, description="most points for one member")
    cap_member_day: int | None = Field(None, gt=0, le=MOST_POINTS, strict=True, description="and per business day")
    budget: int | None = Field(None, gt=0, le=MOST_POINTS, strict=True, description="most points in total")
    over_cap: OverCap = OverCap.REDUCE
    when_free: bool = Field(False, strict=True, description="whether lines that cost nothing earn points too")
    draft: bool = Field(default=False, strict=True, description="whether to store it without starting it")

    @field_validator("target")
    @classmethod
    def _names_what_the_scope_covers(cls, target: str, info: ValidationInfo) -> str:
        return targeted(target, info.data.get("scope"))

    @field_validator("amount")
    @classmethod
    def _multiplies(cls, amount: int, info: ValidationInfo) -> int:
        if info.data.get("method") is Method.MULTIPLIER and amount <= 100:
            raise ValueError("the amount of a multiplier is percent, and more than 100")
        return amount

    def subject(self, zone: ZoneInfo) -> Rule:  # noqa: ARG002  a rule's dates are instants
        stage = Stage.DRAFT if self.draft else Stage.STARTED
        return Rule(rule_id=new_id(), stage=stage, **self.model_dump(exclude={"draft"}))


class RuleSimulationIn(SimulationIn):
    """A rule to simulate: a new one, as in the body of `POST /rules`, or the id of a stored one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"weeks": 4, "rule": {"name": "Eight", "scope": "everything", "method": "rate", "amount": 8}}]
        }
    )
    rule_id: UUID | None = None
    rule: RuleIn | None = Field(None, validate_default=True)


class RulePatch(PatchIn):
    """Changes to a draft rule. Absent fields keep their values."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 8, "reason": "Eight, as the board decided"}]})
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


@mirrors(Rule, without=NOT_SHOWN, first=("rule_id",))
class RuleOut(LivingOut):
    pass


class RulesOut(BaseModel):
    rules: list[RuleOut]
    next: Next
