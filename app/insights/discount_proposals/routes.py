"""What discounts did, for analysts."""

from fastapi import Response
from pydantic import BaseModel, Field

from app.auth import Analyst
from app.insights.discount_proposals import service
from app.insights.discount_proposals.models import Effect
from app.mirrors import mirrors
from app.routing import Router
from app.tabular import CSV, Format, In, answer
from app.wiring import Db

router = Router(prefix="/insights/discounts", tags=["insights"])


@mirrors(Effect)
class DiscountEffectOut(BaseModel):
    uplift: float | None = Field(description="discounted over control, each sold over expected; null without sales")
    low: float | None = Field(description="95 % interval")


@router.get(
    "/effect",
    summary="What they did",
    response_model=DiscountEffectOut,
    responses=CSV,
)
def get_discount_effect(caller: Analyst, db: Db, shape: In = Format.JSON) -> DiscountEffectOut | Response:
    """Of hours that are over, against picks that stayed at their price."""
    with db.read() as session:
        totals = service.effect(session)
    return answer(Effect, [totals]) if shape is Format.CSV else DiscountEffectOut.model_validate(totals)
