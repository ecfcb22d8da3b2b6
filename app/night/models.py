"""What the night reports: each run of its calculation, and what reconciling compared."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class NightlyReport:
    """One run of the calculation for a business day. `oldest_due` is the earliest date that was still open."""

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
    """A report as it is stored, under its number."""

    run_id: int


@dataclass(frozen=True)
class Reconciliation:
    """`difference` names the first that was found; None where all books agree."""

    at: datetime
    wallets: int
    seconds: float
    difference: str | None
