"""Hours, forecasts and reservations. Money is estimated from list prices: a float, in US dollars."""

from dataclasses import dataclass
from datetime import datetime

WEEK = 7 * 24


@dataclass(frozen=True)
class Hour:
    """Orders placed in the hour that begins at `at`, which is in the program's time zone."""

    at: datetime
    orders: int

    @property
    def of_week(self) -> int:
        """The hour of the week; 0 is Monday from midnight to one."""
        return self.at.weekday() * 24 + self.at.hour


@dataclass(frozen=True)
class Forecast:
    """Orders expected in a future hour; 95 % of hours should lie between `low` and `high`."""

    at: datetime
    orders: float
    low: float
    high: float


@dataclass(frozen=True)
class Profile:
    """Orders an hour: mean, 99th percentile, maximum, and the share of hours with less than half the mean."""

    hours: int
    mean: float
    busy: float
    most: int
    idle_share: float


@dataclass(frozen=True)
class Accuracy:
    """Mean absolute errors of forecasts of held-out weeks, and the share of hours within the interval."""

    weeks: int
    error: float
    naive_error: float
    ratio: float
    within: float


@dataclass(frozen=True)
class Need:
    """Capacity of a service: a unit carries `orders_an_hour`, units come in steps, and `least` always run."""

    service: str
    unit: str
    orders_an_hour: float
    least: float
    step: float
    price: str
    reserved_price: str


@dataclass(frozen=True)
class Reservation:
    """Units of a service to reserve for a year, and the monthly saving against on-demand prices.

    A reserved unit pays for itself if it is needed in `break_even` of the hours; the last unit reserved is needed in
    `used` of them.
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
    """A capacity plan: history's profile, forecast, the forecast's accuracy, and reservations."""

    since: datetime
    until: datetime
    times: float
    profile: Profile
    accuracy: Accuracy
    forecast: list[Forecast]
    reservations: list[Reservation]
