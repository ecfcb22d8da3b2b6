"""What goes in and out of the routes of wallets and redemptions."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.mirrors import mirrors
from app.money import MOST_POINTS
from app.paging import Next
from app.wallet.models import LotSource, LotState, Redemption


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
