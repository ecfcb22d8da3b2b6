"""Request and response bodies of simulations of rules and offers on past sales."""

from datetime import date
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.clock import Clock, local_date
from app.errors import FieldError
from app.mirrors import mirrors
from app.program.models import Program
from app.simulation.models import MOST_WEEKS, Gift, Largest, Period, Replaced, Share, Simulation
from app.times import Day


class SimulationIn(BaseModel):
    """The body of a request to simulate on past weeks' orders; subclasses add the rule or offer, or its id."""

    model_config = ConfigDict(extra="forbid")
    weeks: int = Field(4, gt=0, le=MOST_WEEKS, strict=True, description="number of weeks of this shop's own orders")
    until: Day | None = Field(None, description="last day of the weeks, in the program's time zone; today if absent")

    def period(self, program: Program, clock: Clock) -> Period:
        return Period.of_weeks(self.weeks, self.until or local_date(clock.now(), program.zone))

    @field_validator("rule", "offer", check_fields=False)
    @classmethod
    def _is_new_or_stored(cls, new: Any, info: ValidationInfo) -> Any:
        if (new is None) == (info.data.get(f"{info.field_name}_id") is None):
            raise ValueError(f"send {info.field_name} or {info.field_name}_id, one of both")
        return new


@mirrors(Gift)
class GiftOut(BaseModel):
    minor: int = Field(description="worth of the points in minor units")
    came_back: int = Field(description="points of these that were taken back for returns until now")
    paid_minor: int = Field(description="amount paid for these lines")


@mirrors(Largest)
class LargestOut(BaseModel):
    points: int = Field(description="most points for one line")
    order_points: int = Field(description="most points for one order")


@mirrors(Share)
class ShareOut(BaseModel):
    key: str = Field(description="a vendor's id, a department or a day; `others`: all but the hundred largest")


@mirrors(Replaced)
class ReplacedOut(BaseModel):
    earner_id: UUID = Field(description="id of the other rule or offer")
    without: int = Field(description="its points without the simulated rule or offer, on the orders that this covers")
    beside: int = Field(description="its points together with the simulated rule or offer, on the same orders")


class SimulationOut(BaseModel):
    """What a rule or offer would have given on past orders. The simulation is not stored."""

    since: date
    until: date
    orders: int = Field(description="number of all orders of the period")
    lines: int
    paid_minor: int
    gift: GiftOut
    percent_of_all: str = Field(description="worth of its points in percent of all that was paid", examples=["1.25"])
    percent_of_covered: str = Field(description="and in percent of what was paid for lines that earn by it")
    largest: LargestOut | None
    most_in_a_day: int
    by_vendor: list[ShareOut]
    by_department: list[ShareOut]
    by_day: list[ShareOut]
    replaced: list[ReplacedOut] = Field(description="other rules and offers whose points would have changed")
    net_points: int = Field(description="change of the points of all rules and offers together")
    past_limits: list[FieldError] = Field(
        description="limits that it exceeds without an approval by a second administrator"
    )
    assumes: list[str]

    @classmethod
    def of(cls, simulation: Simulation) -> Self:
        return cls.model_validate(simulation, from_attributes=True)
