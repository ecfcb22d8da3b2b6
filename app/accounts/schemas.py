"""Request and response bodies of the routes for wallets, lots and redemptions."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.mirrors import mirrors
from app.money import MOST_POINTS
from app.paging import Next
from app.wallet.models import Lot, Redemption


class WalletOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    pending: int = Field(description="points whose return window is still open")
    available: int = Field(description="points that can be spent")
    owed: int = Field(description="points that returns took beyond the balance; points confirmed next pay them")


_LOT_HIDES = ("member_id", "vendor_id", "rule_id", "recovered", "short")


@mirrors(Lot, without=_LOT_HIDES, first=("lot_id", "source", "source_id"))
class LotOut(BaseModel):
    source_id: UUID | None = Field(description="the correction's id; null for a purchase")
    matures_on: date = Field(description="the points are confirmed when this day begins")
    split_from: UUID | None = Field(description="the lot that these units were part of until they were returned")
    explanation: dict[str, Any] = Field(description="how the points were calculated, and each return since")


class LotsOut(BaseModel):
    lots: list[LotOut]
    next: Next


class RedemptionIn(BaseModel):
    """What a member spends points on: the item `offer_id`, or cash back for `points`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "cash_back", "points": 100}]})
    kind: Literal["item", "cash_back"]
    offer_id: UUID | None = Field(None, validate_default=True)
    points: int | None = Field(None, gt=0, le=MOST_POINTS, strict=True, validate_default=True)

    @field_validator("offer_id", "points")
    @classmethod
    def _fits_its_kind(cls, value: UUID | int | None, info: ValidationInfo) -> UUID | int | None:
        needed = {"offer_id": "item", "points": "cash_back"}[info.field_name or ""]
        if "kind" in info.data and (value is None) == (info.data["kind"] == needed):
            raise ValueError("an item needs offer_id alone, cash_back needs points alone")
        return value


@mirrors(Redemption, without=("member_id",))
class RedemptionOut(BaseModel):
    pass


class RedemptionsOut(BaseModel):
    redemptions: list[RedemptionOut]
    next: Next
