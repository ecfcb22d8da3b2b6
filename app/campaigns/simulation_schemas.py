"""What goes in and out of simulations."""

from datetime import date
from typing import Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, ValidationInfo

from app.clock import Clock, local_date
from app.errors import FieldError
from app.mirrors import mirrors
from app.program.models import Program
from app.simulation.models import MOST_WEEKS, Gift, Period, Share, Simulation
from app.times import Day

Given = TypeVar("Given")


class SimulationIn(BaseModel):
    weeks: int = Field(4, gt=0, le=MOST_WEEKS, strict=True, description="of this shop's own orders")
    until: Day | None = Field(None, description="the last day of them, in the program's time zone; today if absent")

    def period(self, program: Program, clock: Clock) -> Period:
        return Period.of_weeks(self.weeks, self.until or local_date(clock.now(), program.zone))


def one_of_both(value: Given | None, info: ValidationInfo, other: str) -> Given | None:
    """Raises ValueError where both are there, or none."""
    if (value is None) == (info.data.get(other) is None):
        raise ValueError(f"send {info.field_name} or {other}, one of both")
    return value


@mirrors(Gift)
class GiftOut(BaseModel):
    minor: int = Field(description="what the points are worth")
    came_back: int = Field(description="points of them that returns took back up to now")
    paid_minor: int = Field(description="what was paid for these lines")


class LargestOut(BaseModel):
    order_id: UUID
    line: int
    points: int = Field(description="the most that one line got")
    order_points: int = Field(description="the most that one order got")


@mirrors(Share)
class ShareOut(BaseModel):
    key: str = Field(description="a vendor's id, a department, a day; `others` for those behind the largest hundred")


class ReplacedOut(BaseModel):
    earner_id: UUID = Field(description="a rule's or an offer's")
    name: str
    without: int = Field(description="points that it gave to the orders that are covered by what is tried")
    beside: int = Field(description="points that it would have given to them beside what is tried")


class SimulationOut(BaseModel):
    """What a rule or an offer would have given; nothing is kept of it."""

    since: date
    until: date
    orders: int = Field(description="all that were placed in the period")
    lines: int
    paid_minor: int
    gift: GiftOut
    percent_of_all: str = Field(description="what it gives, in percent of all that was paid", examples=["1.25"])
    percent_of_covered: str = Field(description="and of what was paid for the lines that it gives for")
    largest: LargestOut | None
    most_in_a_day: int
    by_vendor: list[ShareOut]
    by_department: list[ShareOut]
    by_day: list[ShareOut]
    replaced: list[ReplacedOut] = Field(description="other rules and offers that would have given another number")
    net_points: int = Field(description="what all rules and offers together would have given more, or less, with it")
    past_limits: list[FieldError] = Field(description="why it would need a second administrator's approval")
    assumes: list[str]

    @classmethod
    def of(cls, simulation: Simulation) -> Self:
        return cls.model_validate(simulation, from_attributes=True)
