"""What a member is shown, and what goes with a product."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.auth import Member
from app.errors import NotFound
from app.insights.recommendations import service
from app.insights.recommendations.models import Candidate
from app.mirrors import mirrors
from app.paging import Limit
from app.problems import problems
from app.routing import Router
from app.wiring import Db, Time

router = Router(prefix="/insights", tags=["insights"])


@mirrors(Candidate, without=("chance",))
class RecommendedProductOut(BaseModel):
    detail: str = Field(description="the reason in words: the habit, the product it goes with, the segment")


class RecommendationsOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    personal: bool = Field(description="false without your consent: then it is what sells most")
    products: list[RecommendedProductOut] = Field(description="likeliest first")


class CompanionOut(RecommendedProductOut):
    together: int = Field(description="baskets that held both")
    lift: float = Field(description="how many times more often than by chance")


class CompanionsOut(BaseModel):
    companions: list[CompanionOut]


@router.get("/recommendations", summary="What may please you", responses=problems(NotFound))
def list_recommendations(caller: Member, db: Db, clock: Time, limit: Limit = 10) -> RecommendationsOut:
    """By habits, segments and what goes with your last purchases, if you consented; each says why it is shown."""
    with db.snapshot() as session:
        return RecommendationsOut.model_validate(service.recommend(session, caller.subject, limit, clock))


@router.get("/products/{product_id}/companions", summary="What goes with a product")
def list_companions(product_id: UUID, db: Db, limit: Limit = 10) -> CompanionsOut:
    """Accessories and services that are bought with it; else what goes with its category, else what sells best."""
    with db.read() as session:
        found = service.goes_with(session, product_id, limit)
    return CompanionsOut(companions=[CompanionOut.model_validate(one) for one in found])
