"""What sells, for analysts."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.auth import Analyst
from app.errors import NotAllowed, NotAuthenticated
from app.insights import service
from app.insights.models import By
from app.insights.warehouse import routes as warehouse
from app.problems import problems
from app.times import Instant
from app.wiring import Db, Time

router = APIRouter(prefix="/insights", tags=["insights"])


class SellerOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    name: str
    units: int
    paid_minor: int
    lines: int = Field(description="order lines")


class TopSellersOut(BaseModel):
    since: Instant
    until: Instant
    by: By
    sellers: list[SellerOut] = Field(description="most units first")


@router.get("/top-sellers", summary="What sells most", responses=problems(NotAuthenticated, NotAllowed))
def top_sellers(
    caller: Analyst,  # noqa: ARG001
    db: Db,
    clock: Time,
    by: By = By.PRODUCT,
    since: Annotated[Instant | None, Query(description="the last 24 hours if absent")] = None,
    until: Instant | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> TopSellersOut:
    """Of the whole hours in the span, from the journal stream, seconds after the orders."""
    end = until or clock.now()
    start = since or end - timedelta(hours=24)
    with db.read() as session:
        found = service.top_sellers(session, start, end, by, limit)
    return TopSellersOut(since=start, until=end, by=by, sellers=[SellerOut.model_validate(seller) for seller in found])


router.routes.extend(warehouse.router.routes)
