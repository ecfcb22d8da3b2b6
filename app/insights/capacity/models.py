"""Hours, forecasts and reservations. Money here is an estimate from list prices: a float, in US dollars."""

from dataclasses import dataclass
from datetime import datetime

WEEK = 7 * 24


@dataclass(frozen=True)
class Hour:
    """`at` is in the program's time zone; `orders` were placed in the hour that begins then."""

    at: datetime
    orders: int

    @property
    def of_week(self) -> int:
        """0 is Monday, midnight to one."""
        return self.at.weekday() * 24 + self.at.hour


@dataclass(frozen=True)
class Forecast:
    """Orders of an hour to come; nineteen of twenty hours are to lie between `low` and `high`."""

    at: datetime
    orders: float
    low: float
    high: float


@dataclass(frozen=True)
class Profile:
    """Orders an hour: the mean, the busiest of a hundred, and the share of hours with less than half the mean."""

    hours: int
    mean: float
    busy: float
    most: int
    idle_share: float


@dataclass(frozen=True)
class Accuracy:
    """Of forecasts of whole weeks that were held out: mean absolute errors, and the share within the interval."""

    weeks: int
    error: float
    naive_error: float
    ratio: float
    within: float


@dataclass(frozen=True)
class Need:
    """What a service needs for a load: a unit carries `orders_an_hour`; `least` are there whatever the load is."""

    service: str
    unit: str
    orders_an_hour: float
    least: float
    step: float
    price: str
    reserved_price: str


@dataclass(frozen=True)
class Reservation:
    """How much of a service to reserve for a year of such weeks, and what it saves against on demand, a month.

    A reserved unit pays for itself if it is needed for `break_even` of the hours; the last one that is reserved is
    needed for `used`.
    """

    service: str
    unit: str
    needed_mean: float
    needed_most: float
    reserve: float
    on_demand_usd: float
    with_reserve_usd: float
    saving_usd: float
    saving_percent: float
    break_even: float
    used: float


@dataclass(frozen=True)
class Plan:
    """What it all comes to."""

    since: datetime
    until: datetime
    times: float
    profile: Profile
    accuracy: Accuracy
    forecast: list[Forecast]
    reservations: list[Reservation]
