"""Dataclasses of the capacity plan. Costs are estimates from list prices: floats, in US dollars a month."""

from dataclasses import dataclass
from datetime import datetime

WEEK = 7 * 24


@dataclass(frozen=True)
class Hour:
    """The number of orders placed in the hour that begins at `at`, a time in the loyalty program's time zone."""

    at: datetime
    orders: int

    @property
    def of_week(self) -> int:
        """The hour of the week, 0 to 167; 0 is Monday from midnight to one."""
        return self.at.weekday() * 24 + self.at.hour


@dataclass(frozen=True)
class Forecast:
    """The orders expected in the hour that begins at `at`, with a 95 % prediction interval."""

    at: datetime
    orders: float
    low: float
    high: float


@dataclass(frozen=True)
class Profile:
    """Statistics of orders an hour: mean, 99th percentile (`busy`), maximum, and share of hours below half the mean."""

    hours: int
    mean: float
    busy: float
    most: int
    idle_share: float


@dataclass(frozen=True)
class Accuracy:
    """Mean absolute errors of our forecast, and of one that only repeats last week (`naive_error`).

    `within` is the share of hours in which the number of orders was inside our forecast's 95 % interval.
    """

    weeks: int
    error: float
    naive_error: float
    ratio: float
    within: float


@dataclass(frozen=True)
class Need:
    """How an AWS service grows with the orders: a unit serves `orders_an_hour`; units are added in steps of `step`.

    At least `least` units are needed. `price` and `reserved_price` are keys of a unit's hourly prices in prices.yaml.
    """

    service: str
    unit: str
    orders_an_hour: float
    least: float
    step: float
    price: str
    reserved_price: str


@dataclass(frozen=True)
class Reservation:
    """How many units of a service to reserve for a year, and the monthly saving against on-demand prices.

    Reserving a unit is cheaper if the unit is needed in at least the share `break_even` of all hours. `used` is the
    share of hours in which all reserved units are needed.
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
    """A forecast of hourly orders, and the AWS capacity to reserve for `times` as many orders.

    The forecast is made from the orders placed in [since, until).
    """

    since: datetime
    until: datetime
    times: float
    profile: Profile
    accuracy: Accuracy
    forecast: list[Forecast]
    reservations: list[Reservation]
