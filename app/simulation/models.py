"""The period and the result of a simulation: what a rule or an offer would have given on past purchases."""

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
    """The days from `since` to `until`, both included, as dates in the program's time zone."""

    since: date
    until: date

    @classmethod
    def of_weeks(cls, weeks: int, until: date) -> Self:
        """Return the period of this many weeks whose last day is `until`."""
        return cls(until - timedelta(days=7 * weeks - 1), until)

    @property
    def days(self) -> list[date]:
        return [self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1)]


@dataclass(frozen=True)
class Largest:
    """The order line that earns most by the simulated rule or offer. `order_points` is the most that an order earns."""

    order_id: UUID
    line: int
    points: int
    order_points: int


@dataclass(frozen=True)
class Share:
    """The points given for sales of one vendor, one department or one day, and their worth in minor units."""

    key: str
    name: str
    points: int
    minor: int


@dataclass(frozen=True)
class Replaced:
    """Another rule or offer whose points change: its points `without` the simulated rule or offer, and `beside` it."""

    earner_id: UUID
    name: str
    without: int
    beside: int


@dataclass(frozen=True)
class Gift:
    """The points that the simulated rule or offer gives, and their worth in minor units.

    Returns took back `came_back` of these points. `lines`, `orders`, `members` and `paid_minor` count only purchases
    that earn some of these points.
    """

    points: int
    minor: int
    came_back: int
    lines: int
    orders: int
    members: int
    paid_minor: int


@dataclass(frozen=True)
class Simulation:
    """A simulation's result. `orders`, `lines` and `paid_minor` count all purchases of the period.

    `net_points` is the change of all points given: those of the simulated rule or offer, less what others lose.
    `replaced` lists the other rules and offers whose points change.
    """

    since: date
    until: date
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
    def percent_of_all(self) -> str:
        """The worth of the points that the simulation gives, in percent of the amount paid for all order lines."""
        return _percent(self.gift.minor, self.paid_minor)

    @property
    def percent_of_covered(self) -> str:
        """The worth of the points that the simulation gives, in percent of the amount paid for lines that earn them."""
        return _percent(self.gift.minor, self.gift.paid_minor)


def _percent(part: int, whole: int) -> str:
    if not whole:
        return "0.00"
    share = Fraction(part * 10_000, whole)
    units, hundredths = divmod(divide(share.numerator, share.denominator), 100)
    return f"{units}.{hundredths:02}"
