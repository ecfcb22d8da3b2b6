"""The API route that returns the measured effect of hourly discounts, for analysts."""

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
    uplift: float | None = Field(
        description="units sold over units expected: the discounted products' ratio over the control group's; "
        "null without sales"
    )
    low: float | None = Field(description="lower end of the uplift's 95 % interval")
    high: float | None = Field(description="upper end of the uplift's 95 % interval")


@router.get("/effect", summary="Effect of hourly discounts", response_model=DiscountEffectOut, responses=CSV)
def get_discount_effect(caller: Analyst, db: Db, shape: In = Format.JSON) -> DiscountEffectOut | Response:
    """Compare the sales of discounted products with those of a control group that kept its list price."""
    with db.read() as session:
        effect = service.effect(session)
    return answer(Effect, [effect]) if shape is Format.CSV else DiscountEffectOut.model_validate(effect)
