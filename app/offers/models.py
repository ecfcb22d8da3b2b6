"""The reward catalogue. Each kind of offer is one class of terms; a new kind is one more class here, and rows."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.rewards.models import Boost, Scope


class _Terms(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def boost(self, offer_id: UUID, name: str) -> Boost | None:  # noqa: ARG002
        """What the offer does to earning while it runs for a member; most do nothing."""
        return None


class Promotion(_Terms):
    """Everyone earns more on what it covers, between its dates."""

    kind: Literal["promotion"] = "promotion"
    scope: Scope = Field(Scope.EVERYTHING, strict=False)
    target: str = Field("", description="a product's, category's or vendor's id, or a brand's name")
    percent: int = Field(200, gt=100, le=1_000, description="200 doubles what is earned")

    @model_validator(mode="after")
    def _has_target(self) -> "Promotion":
        if (self.scope is Scope.EVERYTHING) != (self.target == ""):
            raise ValueError("target names what the scope covers, and is empty for everything")
        return self

    def boost(self, offer_id: UUID, name: str) -> Boost:
        return Boost(offer_id, name, self.scope, self.target, self.percent)


class Item(_Terms):
    """Something to have for points."""

    kind: Literal["item"] = "item"
    points: int = Field(gt=0)


class Period(StrEnum):
    MONTH = "month"
    YEAR = "year"


class Subscription(_Terms):
    """Paid in points each period; the subscriber earns more on everything meanwhile."""

    kind: Literal["subscription"] = "subscription"
    points: int = Field(gt=0, description="price of a period")
    period: Period = Field(Period.MONTH, strict=False)
    percent: int = Field(150, gt=100, le=1_000)

    def boost(self, offer_id: UUID, name: str) -> Boost:
        return Boost(offer_id, name, Scope.EVERYTHING, "", self.percent)


Terms = Annotated[Promotion | Item | Subscription, Field(discriminator="kind")]


@dataclass(frozen=True)
class Offer:
    offer_id: UUID
    name: str
    description: str
    starts_at: datetime
    ends_at: datetime
    terms: Promotion | Item | Subscription
    on_hand: int | None


class SubscriptionState(StrEnum):
    """A cancelled subscription runs until what was paid is used up."""

    ACTIVE = "active"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Subscribed:
    subscription_id: UUID
    member_id: UUID
    offer_id: UUID
    state: SubscriptionState
    started_on: date
    paid_until: date
