"""The API route that returns the capacity plan, for analysts."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, Field

from app.auth import Analyst
from app.insights.capacity import service
from app.insights.capacity.models import Accuracy, Forecast, Plan, Profile, Reservation
from app.mirrors import mirrors
from app.routing import Router
from app.tabular import CSV, Format, In, answer
from app.times import Instant
from app.wiring import Db, Time

router = Router(prefix="/insights", tags=["insights"])


@mirrors(Profile)
class LoadProfileOut(BaseModel):
    mean: float = Field(description="mean orders an hour")
    busy: float = Field(description="99th percentile of orders an hour")
    idle_share: float = Field(description="share of hours with less than half the mean")


@mirrors(Accuracy)
class ForecastAccuracyOut(BaseModel):
    error: float = Field(description="mean absolute error of forecasts of held-out weeks, in orders an hour")
    naive_error: float = Field(description="the same error if each week is predicted to repeat the week before")
    within: float = Field(description="share of hours within the 95 % interval")


@mirrors(Forecast)
class ForecastOut(BaseModel):
    pass


@mirrors(Reservation)
class ReservationOut(BaseModel):
    on_demand_usd: float = Field(description="cost a month without reserved units")
    break_even: float = Field(description="share of hours in which a reserved unit must be needed to pay for itself")
    used: float = Field(description="share of hours in which the last reserved unit is needed")


@mirrors(Plan)
class CapacityPlanOut(BaseModel):
    profile: LoadProfileOut
    accuracy: ForecastAccuracyOut
    forecast: list[ForecastOut] = Field(description="two weeks, in the program's time zone")
    reservations: list[ReservationOut]


@router.get("/capacity", summary="How much to reserve", response_model=CapacityPlanOut, responses=CSV)
def plan_capacity(
    caller: Analyst,
    db: Db,
    clock: Time,
    until: Annotated[Instant | None, Query(description="end of the history; now if absent")] = None,
    times: Annotated[float, Query(gt=0, le=1_000_000, description="plan for so many times the forecast orders")] = 1,
    shape: In = Format.JSON,
) -> CapacityPlanOut | Response:
    """Forecast hourly orders from past orders, and find how many units of each AWS service are cheapest to reserve."""
    with db.snapshot() as session:
        plan = service.plan(session, clock, until, times)
    return answer(Reservation, plan.reservations) if shape is Format.CSV else CapacityPlanOut.model_validate(plan)
