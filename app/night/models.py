"""Reports of the nightly calculation and of reconciliation."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class NightlyReport:
    """A run of the calculation for a business day. `oldest_due` is the earliest date that was still open."""

    business_date: date
    started_at: datetime
    seconds: float
    confirmed_lots: int
    confirmed_points: int
    expired_lots: int
    expired_points: int
    renewed: int
    lapsed: int
    oldest_due: date | None


@dataclass(frozen=True)
class NightlyRun(NightlyReport):
    """A stored report, with its number."""

    run_id: int


@dataclass(frozen=True)
class Reconciliation:
    """A reconciliation's result. `difference` describes the first difference, or is None if all books agree."""

    at: datetime
    wallets: int
    seconds: float
    difference: str | None
