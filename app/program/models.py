"""The loyalty program's settings, such as the worth of a point, the expiry of points and the return policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from app.money import digits


class ReturnPolicy(StrEnum):
    """Which confirmed points a return takes back: none, as many as the balance has, or all, even if a debt results."""

    ONLY_PENDING = "only_pending"
    WITHIN_BALANCE = "within_balance"
    NEGATIVE = "negative"  # the balance may become a debt, which points confirmed next pay


class EarningBase(StrEnum):
    """Which amount of an order line earns points: before or after discounts, always less the part paid with points."""

    GROSS = "gross"  # before discounts
    NET = "net"


@dataclass(frozen=True)
class Program:
    """The program's settings; the fields `most_…` are limits beyond which a second administrator must approve.

    `return_terms` maps each kind of return term to its default, except return window and return policy, which have
    fields of their own.
    """

    name: str
    currency: str
    time_zone: str
    minor_per_100_points: int
    return_window_days: int
    expire_after_days: int | None
    return_policy: ReturnPolicy
    earning_base: EarningBase = EarningBase.NET
    correction_limit_points: int = 10_000
    most_percent: int = 200
    most_multiplier_percent: int = 500
    most_points_per_unit: int = 50_000
    most_points_per_order: int = 1_000_000
    most_points_per_day: int | None = None
    most_points_in_all: int | None = None
    return_terms: Mapping[str, Any] = field(default_factory=dict)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def currency_digits(self) -> int:
        return digits(self.currency)
