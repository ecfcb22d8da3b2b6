"""What to reserve, for whoever pays the bill."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.auth import Analyst
from app.insights.capacity import service
from app.insights.capacity.models import Forecast, Plan, Reservation
from app.mirrors import mirrors
from app.routing import Router
from app.tabular import CSV, Format, In, answer
from app.times import Instant
from app.wiring import Db, Time

router = Router(prefix="/insights", tags=["insights"])


class LoadProfileOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    hours: int
    mean: float = Field(description="orders an hour")
    busy: float = Field(description="in the busiest hour of a hundred")
    most: int
    idle_share: float = Field(description="hours with less than half the mean")


class ForecastAccuracyOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    weeks: int
    error: float = Field(description="mean absolute error of held-out weeks, orders an hour")
    naive_error: float = Field(description="of last week repeated")
    ratio: float
    within: float = Field(description="share of hours within the 95 % interval")


@mirrors(Forecast)
class ForecastOut(BaseModel):
    pass


@mirrors(Reservation)
class ReservationOut(BaseModel):
    on_demand_usd: float = Field(description="a month")
    break_even: float = Field(description="share of hours for which a reserved unit must be needed to pay")
    used: float = Field(description="share of hours for which the last one is")


@mirrors(Plan)
class CapacityPlanOut(BaseModel):
    profile: LoadProfileOut
    accuracy: ForecastAccuracyOut
    forecast: list[ForecastOut] = Field(description="two weeks, in the program's time zone")
    reservations: list[ReservationOut]


@router.get(
    "/capacity",
    summary="How much to reserve",
    response_model=CapacityPlanOut,
    responses=CSV,
)
def plan_capacity(
    caller: Analyst,
    db: Db,
    clock: Time,
    until: Annotated[Instant | None, Query(description="of the history; now if absent")] = None,
    times: Annotated[float, Query(gt=0, le=1_000_000, description="as if there were that many times the orders")] = 1,
    shape: In = Format.JSON,
) -> CapacityPlanOut | Response:
    """From the orders' own hours: profile, forecast with its accuracy, and the reserve that costs least by service."""
    with db.snapshot() as session:
        found = service.plan(session, clock, until, times)
    return answer(Reservation, found.reservations) if shape is Format.CSV else CapacityPlanOut.model_validate(found)
