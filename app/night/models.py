"""Reports of the nightly calculation, which confirms and expires points, and of reconciling wallets with the ledger."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class NightlyReport:
    """The result of a nightly calculation; `oldest_due` is the first day that had lots or subscriptions to process."""

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
    """A stored report of a nightly calculation, with its number."""

    run_id: int


@dataclass(frozen=True)
class Reconciliation:
    """The result of reconciliation. `difference` describes the first difference found, if any."""

    at: datetime
    wallets: int
    seconds: float
    difference: str | None
