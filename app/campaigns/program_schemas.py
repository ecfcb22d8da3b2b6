"""What goes in and out of the program's routes."""

from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.catalog.return_terms import TermsIn, TermsOut
from app.mirrors import mirrors
from app.money import MOST_POINTS
from app.program.models import EarningBase, Program, ReturnPolicy
from app.text import Name


def _known(zone: str) -> str:
    if zone not in available_timezones():
        raise ValueError(f"{zone} is no time zone of the IANA database, as America/New_York is")
    return zone


@mirrors(Program)
class ProgramOut(BaseModel):
    currency_digits: int = Field(description="behind the point: 1234 minor units are 12.34 with two, 1.234 with three")
    time_zone: str = Field(description="its midnight confirms, and its days count")
    minor_per_100_points: int = Field(description="what 100 points are worth")
    return_window_days: int = Field(description="of products whose category has none either")
    expire_after_days: int | None = Field(description="counted from the confirmation; null: points do not expire")
    correction_limit_points: int = Field(
        description="what may be booked or taken by hand for a member in a day without a second administrator"
    )
    most_percent: int = Field(description="of what is paid, that a rule or offer gives without a second administrator")
    most_multiplier_percent: int = Field(description="to which others' points are raised without one")
    most_points_per_unit: int = Field(description="that are given without one")
    most_points_per_order: int = Field(description="that a rule or offer gives in an order without one")
    most_points_per_day: int | None = Field(description="that it gives in a business day without one; null: any number")
    most_points_in_all: int | None = Field(description="that it gives in all without one; null: any number")
    return_terms: TermsOut = Field(description="by kind; of products and categories that have none of their own")

    @classmethod
    def of(cls, program: Program) -> Self:
        terms = {"days": program.return_window_days, "points": program.return_policy, **program.return_terms}
        return cls.model_validate(program).model_copy(update={"return_terms": terms})


class ProgramPatch(BaseModel):
    """Any of these. The factories only mark what may be left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"return_policy": "negative"}]})
    name: Name = Field(default_factory=str)
    currency: str = Field(
        pattern="^[A-Z]{3}$",
        default_factory=str,
        description="one that ISO 4217 lists now; it stays once there is a vendor or an offer",
    )
    time_zone: Annotated[str, AfterValidator(_known)] = Field(default_factory=str)
    minor_per_100_points: int = Field(gt=0, le=1_000_000, strict=True, default_factory=int)
    return_window_days: int = Field(ge=0, le=365, strict=True, default_factory=int)
    expire_after_days: int | None = Field(None, gt=0, le=36_500, strict=True)
    return_policy: ReturnPolicy = ReturnPolicy.WITHIN_BALANCE
    earning_base: EarningBase = EarningBase.NET
    correction_limit_points: int = Field(ge=0, le=1_000_000_000, strict=True, default_factory=int)
    most_percent: int = Field(ge=0, le=1_000_000, strict=True, default_factory=int)
    most_multiplier_percent: int = Field(ge=100, le=1_000_000, strict=True, default_factory=int)
    most_points_per_unit: int = Field(ge=0, le=10**9, strict=True, default_factory=int)
    most_points_per_order: int = Field(ge=0, le=MOST_POINTS, strict=True, default_factory=int)
    most_points_per_day: int | None = Field(None, ge=0, le=MOST_POINTS, strict=True)
    most_points_in_all: int | None = Field(None, ge=0, le=MOST_POINTS, strict=True)
    return_terms: TermsIn = Field(
        default_factory=dict,
        description="by kind; what is left out stays, null gives one up; days is return_window_days, points is "
        "return_policy, and these two can't be given up",
    )
