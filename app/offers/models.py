"""Offers of the reward catalogue, with a class of terms for each kind of offer, and members' subscriptions."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator

from app.earning.earners import Caps, Earner, OverCap, Purchase, Scope, Stacking, multiplies, per_unit, targeted
from app.earning.lifecycle import Living
from app.members.models import IncomeBand, MaritalStatus
from app.money import MOST_MINOR, MOST_POINTS
from app.offers.subscription_states import SubscriptionState
from app.text import VoucherCode

_STORED = {"kept": True}


def _at_most(most: int) -> Any:
    """Return a validator that refuses API input above `most`; values read from the database may be larger."""

    def check(value: int, info: ValidationInfo) -> int:
        if value > most and info.context is not _STORED:
            raise ValueError(f"must be at most {most}")
        return value

    return AfterValidator(check)


def _amount(most: int) -> Any:
    return WithJsonSchema({"type": "integer", "exclusiveMinimum": 0, "maximum": most})


Points = Annotated[int, Field(gt=0), _at_most(MOST_POINTS), _amount(MOST_POINTS)]
Minor = Annotated[int, Field(gt=0), _at_most(MOST_MINOR), _amount(MOST_MINOR)]


class Terms(BaseModel):
    """The terms of an offer. `KINDS` maps the name of each kind of offer to the subclass for its terms."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    KINDS: ClassVar[dict[str, type["Terms"]]] = {}
    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if isinstance(kind := cls.model_fields["kind"].default, str):
            Terms.KINDS[kind] = cls

    @staticmethod
    def of_column(stored: dict[str, Any]) -> "Terms":
        """Return the terms stored in a JSON column, even if they exceed upper bounds that were lowered later."""
        return Terms.KINDS[stored["kind"]].model_validate(stored, context=_STORED)


class Earning(Terms):
    """The terms of an offer that gives points on top of earning rules; `stacking` says how several offers combine."""

    stacking: Stacking = Field(Stacking.BEST_OF, strict=False)
    priority: int = Field(0, ge=-100, le=100)
    cap_member: Points | None = Field(None, description="most points for one member")
    cap_member_day: Points | None = Field(None, description="most points for one member per business day")
    budget: Points | None = Field(None, description="most points in total")
    over_cap: OverCap = Field(OverCap.REDUCE, strict=False)
    when_free: bool = Field(False, description="whether lines that cost nothing earn points too")
    scope: Scope = Field(Scope.EVERYTHING, strict=False)
    target: str = Field(
        "", validate_default=True, description="a product's, category's or vendor's id, or a brand's name"
    )

    @field_validator("target")
    @classmethod
    def _names_what_the_scope_covers(cls, target: str, info: ValidationInfo) -> str:
        return target if info.context == _STORED else targeted(target, info.data.get("scope"))

    def says(self) -> str:
        """Describe what the offer gives, such as "5 more per unit", for a member who asks where a lot comes from."""
        raise NotImplementedError

    def gives(self, purchase: Purchase, given: Fraction) -> Fraction:
        """Return the points that the offer adds to a purchase, unrounded; `given` are those that earning rules gave."""
        raise NotImplementedError

    @property
    def raises_to(self) -> int:
        """The percentage to which the offer raises points from earning rules: 200 doubles them, 100 changes nothing."""
        return 100

    def earner(self, offer: "Offer") -> Earner:
        return Earner(
            earner_id=offer.offer_id,
            name=offer.name,
            scope=self.scope,
            target=self.target,
            says=self.says(),
            gives=self.gives,
            starts_at=offer.starts_at,
            ends_at=offer.ends_at,
            on_top=True,
            stacking=self.stacking,
            priority=self.priority,
            caps=Caps(self.cap_member, self.cap_member_day, self.budget, self.over_cap),
            when_free=self.when_free,
            limited=offer.limited,
        )


class _Multiplying(Earning):
    percent: int = Field(200, gt=100, le=1_000, description="200 doubles the points of rules")

    @property
    def raises_to(self) -> int:
        return self.percent

    def says(self) -> str:
        return f"{self.percent} percent of what the rules give"

    def gives(self, purchase: Purchase, given: Fraction) -> Fraction:
        return multiplies(self.percent)(purchase, given)


class Promotion(_Multiplying):
    """An offer that raises the points of earning rules, for all members, on the products in its scope."""

    kind: Literal["promotion"] = "promotion"


class Bonus(Earning):
    """An offer that gives all members additional points per unit of the products in its scope."""

    kind: Literal["bonus"] = "bonus"
    points: int = Field(gt=0, le=1_000_000, description="additional points per unit")

    def says(self) -> str:
        return f"{self.points} more per unit"

    def gives(self, purchase: Purchase, given: Fraction) -> Fraction:
        return per_unit(self.points)(purchase, given)


class Voucher(_Multiplying):
    """An offer that raises the points of orders placed with its code; uses are limited, in total and per member."""

    kind: Literal["voucher"] = "voucher"
    code: VoucherCode = Field(examples=["SPRING-26"])
    uses: int = Field(gt=0, le=10_000_000)
    uses_per_member: int = Field(1, gt=0, le=1_000)


class Period(StrEnum):
    MONTH = "month"
    YEAR = "year"


class Subscription(_Multiplying):
    """An offer that raises the points of a subscriber's purchases, for a price per period in points or in money.

    Items may be reserved for subscribers. While a period is unpaid, the subscription continues for `grace_days`, and
    payment is tried again each night.
    """

    kind: Literal["subscription"] = "subscription"
    points: Points | None = Field(None, description="price of a period in points")
    price_minor: Minor | None = Field(None, validate_default=True, description="price of a period in money")
    period: Period = Field(Period.MONTH, strict=False)
    percent: int = Field(150, gt=100, le=1_000)
    grace_days: int = Field(0, ge=0, le=60, validate_default=True)

    @field_validator("price_minor")
    @classmethod
    def _has_one_price(cls, price_minor: int | None, info: ValidationInfo) -> int | None:
        if "points" in info.data and (info.data["points"] is None) == (price_minor is None):
            raise ValueError("a subscription has a price in points or in money (price_minor), one of both")
        return price_minor

    @field_validator("grace_days")
    @classmethod
    def _waits_for_money(cls, grace_days: int, info: ValidationInfo) -> int:
        if info.data.get("price_minor") is not None and not grace_days:
            raise ValueError("a price in money needs grace_days: until the payment is settled")
        return grace_days


class Item(Terms):
    """An item to redeem points for: open to all members, to an offer's subscribers only, or to a member segment."""

    kind: Literal["item"] = "item"
    points: Points
    subscribers_of: UUID | None = Field(None, strict=False, description="id of the subscription needed to redeem it")
    income_bands: list[Annotated[IncomeBand, Field(strict=False)]] = []
    marital_status: MaritalStatus | None = Field(None, strict=False)


@dataclass(frozen=True)
class Offer(Living):
    """An offer, which runs in [starts_at, ends_at). `on_hand` is an item's stock in units, None for other kinds.

    `expected_times` is how many times the usual orders a promotion is expected to bring in its first hours; None if
    nobody said.
    """

    offer_id: UUID
    name: str
    description: str
    starts_at: datetime
    ends_at: datetime
    terms: Terms
    on_hand: int | None
    expected_times: int | None = None

    @property
    def key(self) -> UUID:
        return self.offer_id

    @property
    def title(self) -> str:
        return self.name

    @property
    def dates(self) -> tuple[datetime | None, datetime | None]:
        return self.starts_at, self.ends_at


@dataclass(frozen=True)
class Announced:
    """A promotion that was started, even if its dates are still to come, and how many times the usual orders it brings.

    So many are expected in its first hours.
    """

    offer_id: UUID
    starts_at: datetime
    ends_at: datetime
    expected_times: int


@dataclass(frozen=True)
class Subscribed:
    """A member's subscription to an offer; at the first moment of the day `due_on` it renews or ends."""

    subscription_id: UUID
    member_id: UUID
    offer_id: UUID
    state: SubscriptionState
    started_on: date
    paid_until: date
    due_on: date
