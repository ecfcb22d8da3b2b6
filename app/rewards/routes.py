"""A member's wallet, lots and redemptions; the program's rules."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.auth import Admin, Analyst, Member
from app.errors import (
    Conflict,
    InFlight,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotEnough,
    NotFound,
    OutOfStock,
)
from app.idempotency import OnlyOnce
from app.ids import new_id
from app.problems import problems
from app.rewards import nightly, proofs, redemption, service
from app.rewards.models import LotState, Method, RedemptionKind, RedemptionState, Rule, Scope
from app.times import Instant
from app.wiring import Db, Time

router = APIRouter(tags=["rewards"])
router.routes.extend(proofs.router.routes)


class WalletOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    pending: int = Field(description="points whose return window still runs")
    available: int = Field(description="points that can be spent")


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
    explanation: dict[str, Any] = Field(description="why this many: rule, base, boost, rounding, window")


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
                {"name": "Private label", "scope": "brand", "target": "Private", "method": "rate", "points": 8}
            ]
        },
    )
    name: str = Field(min_length=1, max_length=200)
    scope: Scope
    target: str = Field("", max_length=200)
    method: Method
    points: int = Field(ge=0, le=1_000_000, strict=True, description="per 1.00 paid (rate) or per unit (fixed)")
    starts_at: Instant | None = None
    ends_at: Instant | None = None

    @model_validator(mode="after")
    def _has_target(self) -> "RuleIn":
        if (self.scope is Scope.EVERYTHING) != (self.target == ""):
            raise ValueError("target names what the scope covers, and is empty for everything")
        return self


class RuleOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    rule_id: UUID
    name: str
    scope: Scope
    target: str
    method: Method
    points: int
    starts_at: datetime | None
    ends_at: datetime | None


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


@router.get("/wallet", summary="Your points", responses=problems(NotAuthenticated, NotAllowed))
def wallet(caller: Member, db: Db) -> WalletOut:
    """Pending and available."""
    with db.read() as session:
        return WalletOut.model_validate(service.wallet(session, caller.subject))


@router.get("/wallet/lots", summary="Where your points come from", responses=problems(NotAuthenticated, NotAllowed))
def lots(
    caller: Member,
    db: Db,
    after: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> LotsOut:
    """Every lot that a purchase earned, newest first, removed and spent ones too."""
    with db.read() as session:
        found = service.lots(session, caller.subject, after, limit + 1)
    shown = [LotOut.model_validate(lot) for lot in found[:limit]]
    return LotsOut(lots=shown, next=shown[-1].lot_id if len(found) > limit else None)


@router.get(
    "/wallet/lots/{lot_id}", summary="Why this many", responses=problems(NotAuthenticated, NotAllowed, NotFound)
)
def lot(lot_id: UUID, caller: Member, db: Db) -> LotOut:
    """One lot with how it was calculated."""
    with db.read() as session:
        return LotOut.model_validate(service.lot(session, caller.subject, lot_id))


@router.post(
    "/redemptions",
    status_code=201,
    summary="Redeem points",
    response_model=RedemptionOut,
    responses=problems(NotAuthenticated, NotAllowed, NotFound, NotEnough, OutOfStock, Conflict, InFlight, KeyReused),
)
def redeem(asked: RedemptionIn, caller: Member, once: OnlyOnce) -> Response:
    """An item of the catalogue, or cash back. It is free of charge; soonest-expiring points go first."""
    if asked.offer_id:
        offer_id = asked.offer_id
        return once(
            caller.key,
            lambda session: RedemptionOut.model_validate(
                redemption.item(session, caller.subject, offer_id, once.clock)
            ),
        )
    points = asked.points or 0
    return once(
        caller.key,
        lambda session: RedemptionOut.model_validate(redemption.cash_back(session, caller.subject, points, once.clock)),
    )


@router.get("/redemptions", summary="Your redemptions, newest first", responses=problems(NotAuthenticated, NotAllowed))
def redemptions(caller: Member, db: Db, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> RedemptionsOut:
    """Items, points paid at checkout, cash back, subscriptions, and what returns clawed back."""
    with db.read() as session:
        found = service.redemptions(session, caller.subject, limit)
    return RedemptionsOut(redemptions=[RedemptionOut.model_validate(one) for one in found])


@router.get(
    "/redemptions/{redemption_id}",
    summary="One of your redemptions",
    responses=problems(NotAuthenticated, NotAllowed, NotFound),
)
def one_redemption(redemption_id: UUID, caller: Member, db: Db) -> RedemptionOut:
    """Its state and what it paid."""
    with db.read() as session:
        return RedemptionOut.model_validate(service.redemption(session, caller.subject, redemption_id))


@router.get("/rules", summary="What earns how much", responses=problems())
def rules(db: Db, clock: Time) -> RulesOut:
    """The rules that run now. Of those that cover a product the most particular counts."""
    with db.read() as session:
        return RulesOut(rules=[RuleOut.model_validate(rule) for rule in service.rules(session, clock)])


@router.post(
    "/rules",
    status_code=201,
    summary="Add an earning rule",
    response_model=RuleOut,
    responses=problems(NotAuthenticated, NotAllowed, InFlight, KeyReused),
)
def add_rule(asked: RuleIn, caller: Admin, once: OnlyOnce) -> Response:
    """Counts for orders from then on."""
    rule = Rule(rule_id=new_id(), **asked.model_dump())
    return once(caller.key, lambda session: RuleOut.model_validate(service.add_rule(session, rule)))


@router.get("/nightly-runs", summary="The nightly calculations", responses=problems(NotAuthenticated, NotAllowed))
def nightly_runs(caller: Analyst, db: Db, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> NightlyRunsOut:  # noqa: ARG001
    """What each run confirmed, expired and renewed, newest first."""
    with db.read() as session:
        return NightlyRunsOut(runs=[NightlyOut.model_validate(run) for run in nightly.reports(session, limit)])
