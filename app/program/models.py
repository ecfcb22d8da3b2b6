"""The loyalty program's settings: the worth of a point, which money earns points, and what a return takes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from app.money import digits


class ReturnPolicy(StrEnum):
    """Defines which points are taken back when an order is returned after its points were confirmed."""

    ONLY_PENDING = "only_pending"
    WITHIN_BALANCE = "within_balance"
    NEGATIVE = "negative"  # points beyond the balance become a debt, which points confirmed next pay


class EarningBase(StrEnum):
    """Defines which amount of an order line earns points; the part that is paid with points never earns."""

    GROSS = "gross"  # before discounts
    NET = "net"


@dataclass(frozen=True)
class Program:
    """Settings of the program.

    `return_terms` holds default return terms by kind, except the window in days and the policy, which have their own
    fields.
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
