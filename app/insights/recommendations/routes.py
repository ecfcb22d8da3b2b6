"""A member's segments and recommendations, and products that are bought together with a product."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.auth import Member
from app.errors import NotFound
from app.insights.recommendations import service
from app.insights.recommendations.models import Suggestion
from app.members.models import Segments
from app.mirrors import mirrors
from app.paging import Limit
from app.problems import problems
from app.routing import Router
from app.wiring import Db, Time

router = Router()


@mirrors(Segments)
class MemberSegmentsOut(BaseModel):
    pass


@mirrors(Suggestion)
class RecommendedProductOut(BaseModel):
    detail: str = Field(description="the reason in words: a habit, the product it is bought with, or a segment")


class RecommendationsOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    personal: bool = Field(description="false without your consent: the products are then the bestsellers")
    products: list[RecommendedProductOut] = Field(description="most likely purchase first")


class CompanionOut(RecommendedProductOut):
    together: int = Field(description="number of orders with both products")
    lift: float = Field(description="how many times as often they are bought together as by chance")


class CompanionsOut(BaseModel):
    companions: list[CompanionOut]


@router.get("/members/me/segments", tags=["members"], summary="Your segments", responses=problems(NotFound))
def get_own_segments(caller: Member, db: Db) -> MemberSegmentsOut:
    """The segments that your recommendations are based on; empty without your consent."""
    with db.snapshot() as session:
        return MemberSegmentsOut.model_validate(service.segments_of(session, caller.subject))


@router.get("/insights/recommendations", tags=["insights"], summary="What may please you", responses=problems(NotFound))
def list_recommendations(caller: Member, db: Db, clock: Time, limit: Limit = 10) -> RecommendationsOut:
    """Products that fit your habits, segments and last purchases, with the reason; bestsellers without your consent."""
    with db.snapshot() as session:
        return RecommendationsOut.model_validate(service.recommend(session, caller.subject, limit, clock))


@router.get("/insights/products/{product_id}/companions", tags=["insights"], summary="What goes with a product")
def list_companions(product_id: UUID, db: Db, limit: Limit = 10) -> CompanionsOut:
    """Products often bought with this one, then bestsellers of related categories, then of any other category."""
    with db.read() as session:
        companions = service.companions(session, product_id, limit)
    return CompanionsOut(companions=[CompanionOut.model_validate(companion) for companion in companions])
