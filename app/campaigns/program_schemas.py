"""Request and response bodies of the program's routes."""

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
    currency_digits: int = Field(description="decimal places: 1234 minor units are 12.34 with two, 1.234 with three")
    time_zone: str = Field(description="IANA time zone of business days and of the nightly calculation")
    minor_per_100_points: int = Field(description="worth of 100 points in minor units")
    return_window_days: int = Field(description="default for products and categories that have none")
    expire_after_days: int | None = Field(description="days from confirmation to expiry; null: points do not expire")
    correction_limit_points: int = Field(
        description="most points that manual corrections add or take per member and day without a second administrator"
    )
    most_percent: int = Field(description="most percent of the price that rules and offers give without an approval")
    most_multiplier_percent: int = Field(description="most percent to which a rule raises points without an approval")
    most_points_per_unit: int = Field(description="most points per unit that a rule or offer gives unapproved")
    most_points_per_order: int = Field(description="most points per order that a rule or offer gives unapproved")
    most_points_per_day: int | None = Field(description="most points per business day unapproved; null: unlimited")
    most_points_in_all: int | None = Field(description="most points in total unapproved; null: unlimited")
    return_terms: TermsOut = Field(description="by kind; defaults for products and categories that have none")

    @classmethod
    def of(cls, program: Program) -> Self:
        terms = {"days": program.return_window_days, "points": program.return_policy, **program.return_terms}
        return cls.model_validate(program).model_copy(update={"return_terms": terms})


class ProgramPatch(BaseModel):
    """Changes to the program's terms. Absent fields keep their stored values."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"return_policy": "negative"}]})
    name: Name = Field(default_factory=str)
    currency: str = Field(
        pattern="^[A-Z]{3}$",
        default_factory=str,
        description="a current ISO 4217 code; fixed once there is a vendor or an offer",
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
        description="by kind; absent kinds stay, null removes one; `days` is return_window_days and `points` is "
        "return_policy, and these two can't be removed",
    )
