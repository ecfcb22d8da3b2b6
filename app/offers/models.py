"""The reward catalogue: each kind of offer is a class of terms, and a new kind is a new class here."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator

from app.earning.earners import Caps, Earner, OverCap, Purchase, Scope, Stacking, multiplies, per_unit, targeted
from app.earning.stages import Living
from app.members.models import IncomeBand, MaritalStatus
from app.money import MOST_MINOR, MOST_POINTS
from app.offers.subscription_states import SubscriptionState
from app.text import VoucherCode

_STORED = {"kept": True}


def _at_most(most: int) -> Any:
    """Return a validator for an upper bound on input; stored values may exceed it."""

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
    """The terms of an offer, distinguished by `kind`. A subclass that defines a `kind` is added to KINDS."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    KINDS: ClassVar[dict[str, type["Terms"]]] = {}
    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if isinstance(kind := cls.model_fields["kind"].default, str):
            Terms.KINDS[kind] = cls

    @staticmethod
    def read(stored: dict[str, Any]) -> "Terms":
        """Read stored terms, which need not fulfil bounds that were added later."""
        return Terms.KINDS[stored["kind"]].model_validate(stored, context=_STORED)


class Earning(Terms):
    """Terms that give points on top of earning rules; `stacking` defines how they combine with other offers."""

    stacking: Stacking = Field(Stacking.BEST_OF, strict=False)
    priority: int = Field(0, ge=-100, le=100)
    cap_member: Points | None = Field(None, description="most points it gives to a member")
    cap_member_day: Points | None = Field(None, description="most points it gives to a member in a day")
    budget: Points | None = Field(None, description="most points it gives to all")
    over_cap: OverCap = Field(OverCap.REDUCE, strict=False)
    when_free: bool = Field(False, description="whether a line that costs nothing earns by it too")
    scope: Scope = Field(Scope.EVERYTHING, strict=False)
    target: str = Field(
        "", validate_default=True, description="a product's, category's or vendor's id, or a brand's name"
    )

    @field_validator("target")
    @classmethod
    def _names_what_the_scope_covers(cls, target: str, info: ValidationInfo) -> str:
        return target if info.context == _STORED else targeted(target, info.data.get("scope"))

    def says(self) -> str:
        """Describe in words what the offer gives, for the explanation of a lot."""
        raise NotImplementedError

    def gives(self, purchase: Purchase, given: Fraction) -> Fraction:
        """Return the exact points on top, for a purchase and the points of rules."""
        raise NotImplementedError

    @property
    def raises_to(self) -> int:
        """Percent to which the offer raises the points of rules."""
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
    percent: int = Field(200, gt=100, le=1_000, description="200 doubles what is earned")

    @property
    def raises_to(self) -> int:
        return self.percent

    def says(self) -> str:
        return f"{self.percent} percent of what the rules give"

    def gives(self, purchase: Purchase, given: Fraction) -> Fraction:
        return multiplies(self.percent)(purchase, given)


class Promotion(_Multiplying):
    """Raises the points of all members on what it covers, while it runs."""

    kind: Literal["promotion"] = "promotion"


class Bonus(Earning):
    """Gives all members extra points for each unit of what it covers."""

    kind: Literal["bonus"] = "bonus"
    points: int = Field(gt=0, le=1_000_000, description="for each unit")

    def says(self) -> str:
        return f"{self.points} more per unit"

    def gives(self, purchase: Purchase, given: Fraction) -> Fraction:
        return per_unit(self.points)(purchase, given)


class Voucher(_Multiplying):
    """Raises the points of an order that names its code. Uses are limited in total and per member."""

    kind: Literal["voucher"] = "voucher"
    code: VoucherCode = Field(examples=["SPRING-26"])
    uses: int = Field(gt=0, le=10_000_000)
    uses_per_member: int = Field(1, gt=0, le=1_000)


class Period(StrEnum):
    MONTH = "month"
    YEAR = "year"


class Subscription(_Multiplying):
    """Raises the subscriber's points and may open items to them. Each period is paid in points or in money.

    Unpaid, it continues for `grace_days`; payment is retried each night.
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
    """An item to buy with points, open to all members, to subscribers or to a segment of consenting members."""

    kind: Literal["item"] = "item"
    points: Points
    subscribers_of: UUID | None = Field(None, strict=False, description="the subscription that opens it")
    income_bands: list[IncomeBand] = Field([], strict=False)
    marital_status: MaritalStatus | None = Field(None, strict=False)


@dataclass(frozen=True)
class Offer(Living):
    """An offer that runs in [starts_at, ends_at). `on_hand` is an item's stock, and None for other kinds."""

    offer_id: UUID
    name: str
    description: str
    starts_at: datetime
    ends_at: datetime
    terms: Terms
    on_hand: int | None

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
class Subscribed:
    """A member's subscription. `due_on` is the day whose midnight renews or ends it."""

    subscription_id: UUID
    member_id: UUID
    offer_id: UUID
    state: SubscriptionState
    started_on: date
    paid_until: date
    due_on: date
