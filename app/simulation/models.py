"""Results of simulating a rule or an offer on past purchases."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Self
from uuid import UUID

from app.errors import FieldError
from app.money import divide

MOST_WEEKS = 53


@dataclass(frozen=True)
class Period:
    """Business days from `since` to `until`, both included."""

    since: date
    until: date

    @classmethod
    def of_weeks(cls, weeks: int, until: date) -> Self:
        """Return the whole weeks that end with a day."""
        return cls(until - timedelta(days=7 * weeks - 1), until)

    @property
    def days(self) -> list[date]:
        return [self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1)]


@dataclass(frozen=True)
class Largest:
    """The most points for one line, and for one order."""

    order_id: UUID
    line: int
    points: int
    order_points: int


@dataclass(frozen=True)
class Share:
    """The points of a vendor, department or day. `minor` is their worth, `key` the vendor's id."""

    key: str
    name: str
    points: int
    minor: int


@dataclass(frozen=True)
class Replaced:
    """Another rule or offer that gives a different number of points when combined with the simulated one."""

    earner_id: UUID
    name: str
    without: int
    beside: int


@dataclass(frozen=True)
class Gift:
    """What it gives: points, their worth, and how many of them returns took back."""

    points: int
    minor: int
    came_back: int
    lines: int
    orders: int
    members: int
    paid_minor: int


@dataclass(frozen=True)
class Simulation:
    """A simulation's result. `gift.paid_minor` is the amount paid for lines that earn, `paid_minor` for all lines.

    `net_points` is the change of the points of all rules and offers together. `replaced` covers only orders that it
    covers.
    """

    period: Period
    orders: int
    lines: int
    paid_minor: int
    gift: Gift
    largest: Largest | None
    most_in_a_day: int
    by_vendor: list[Share]
    by_department: list[Share]
    by_day: list[Share]
    replaced: list[Replaced]
    net_points: int
    assumes: list[str] = field(default_factory=list)
    past_limits: list[FieldError] = field(default_factory=list)

    @property
    def since(self) -> date:
        return self.period.since

    @property
    def until(self) -> date:
        return self.period.until

    @property
    def percent_of_all(self) -> str:
        """The worth of its points in percent of all amounts paid, to the hundredth."""
        return _percent(self.gift.minor, self.paid_minor)

    @property
    def percent_of_covered(self) -> str:
        """The worth of its points in percent of the amounts paid for lines that earn, to the hundredth."""
        return _percent(self.gift.minor, self.gift.paid_minor)


def _percent(part: int, whole: int) -> str:
    if not whole:
        return "0.00"
    share = Fraction(part * 10_000, whole)
    units, hundredths = divmod(divide(share.numerator, share.denominator), 100)
    return f"{units}.{hundredths:02}"
