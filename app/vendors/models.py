"""Vendors, their states, and the feeds they send."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.catalog.models import StockMeans
from app.signing import Role
from app.states import Machine, Refused


class VendorState(StrEnum):
    APPLIED = "applied"
    APPROVED = "approved"
    REJECTED = "rejected"
    ACTIVE = "active"
    SUSPENDED = "suspended"


class VendorEvent(StrEnum):
    APPLY = "apply"
    APPROVE = "approve"
    REJECT = "reject"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"


_V, _VE = VendorState, VendorEvent
_APPLIED = Refused("it applied already; a company that was rejected applies anew, as another vendor")
_NOT_DECIDED = Refused("an administrator has not decided yet")
_DECIDED = Refused("an administrator decided already")
_REJECTED = Refused("a company that was rejected applies anew, as another vendor")
_NOT_SUSPENDED = Refused("it is not suspended")
_NOT_ACTIVE = Refused("it is not active")

VENDOR: Machine[VendorState, VendorEvent] = Machine(
    "vendor",
    VendorState,
    VendorEvent,
    starts=(_V.APPLIED, _V.REJECTED, _V.ACTIVE),  # rejected by an automatic check, active from a trusted source
    table={
        _VE.APPLY: dict.fromkeys(VendorState, _APPLIED),
        _VE.APPROVE: {
            _V.APPLIED: _V.APPROVED,
            _V.APPROVED: _DECIDED,
            _V.REJECTED: _REJECTED,
            _V.ACTIVE: _DECIDED,
            _V.SUSPENDED: _DECIDED,
        },
        _VE.REJECT: {
            _V.APPLIED: _V.REJECTED,
            _V.APPROVED: _DECIDED,
            _V.REJECTED: _DECIDED,
            _V.ACTIVE: _DECIDED,
            _V.SUSPENDED: _DECIDED,
        },
        _VE.ACTIVATE: {
            _V.APPLIED: _NOT_DECIDED,
            _V.APPROVED: _V.ACTIVE,
            _V.REJECTED: _REJECTED,
            _V.ACTIVE: Refused("it is active already"),
            _V.SUSPENDED: Refused("an administrator reinstates it"),
        },
        _VE.SUSPEND: {
            _V.APPLIED: _NOT_ACTIVE,
            _V.APPROVED: _NOT_ACTIVE,
            _V.REJECTED: _REJECTED,
            _V.ACTIVE: _V.SUSPENDED,
            _V.SUSPENDED: Refused("it is suspended already"),
        },
        _VE.REINSTATE: {
            _V.APPLIED: _NOT_SUSPENDED,
            _V.APPROVED: _NOT_SUSPENDED,
            _V.REJECTED: _REJECTED,
            _V.ACTIVE: _NOT_SUSPENDED,
            _V.SUSPENDED: _V.ACTIVE,
        },
    },
)
_BY = {_VE.ACTIVATE: Role.VENDOR}
"""Events that a vendor triggers itself; administrators trigger all others."""
MOVES: Mapping[VendorState, Mapping[VendorState, Role]] = {
    state: {
        after: _BY.get(event, Role.ADMIN)
        for event, before, after in VENDOR.cells()
        if before is state and not isinstance(after, Refused)
    }
    for state in VendorState
}
"""The target states that each state allows, with the role that may ask the API for it."""


def event_of(state: VendorState, to: VendorState) -> VendorEvent:
    """Return the event that leads from one state to another; MOVES must contain the pair."""
    return next(event for event, row in VENDOR.table.items() if row[state] == to)


NEED_REASONS = frozenset({VendorState.REJECTED, VendorState.SUSPENDED})


@dataclass(frozen=True)
class Application:
    """A company's application. `country` is ISO 3166-1 alpha-2, `currency` ISO 4217."""

    name: str
    legal_name: str
    country: str
    tax_id: str
    email: str
    website: str
    currency: str


@dataclass(frozen=True)
class Check:
    """An automatic check of an application, and its result."""

    name: str
    passed: bool
    says: str


@dataclass(frozen=True)
class Vendor:
    """A vendor. `tax_id` has no spaces or dashes; `reasons` are those of a rejection or suspension."""

    vendor_id: UUID
    name: str
    legal_name: str
    country: str
    tax_id: str
    email: str
    website: str | None
    currency: str
    state: VendorState
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    applied_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class Credentials:
    """OAuth client credentials. The secret is shown once and stored as a hash; rejected vendors get None."""

    client_id: UUID
    client_secret: str | None


class FeedMode(StrEnum):
    """Defines whether a feed with bad rows is refused as a whole or applied in its good rows."""

    ALL_OR_NOTHING = "all_or_nothing"
    GOOD_ROWS = "good_rows"


class FeedState(StrEnum):
    RECEIVED = "received"
    """State while the feed is read; a stored feed is applied or refused."""
    APPLIED = "applied"
    REFUSED = "refused"


class FeedEvent(StrEnum):
    APPLY = "apply"
    REFUSE = "refuse"


_KEPT = Refused("it was decided when it came; send it again")
FEED: Machine[FeedState, FeedEvent] = Machine(
    "feed",
    FeedState,
    FeedEvent,
    starts=(FeedState.RECEIVED,),
    table={
        FeedEvent.APPLY: {
            FeedState.RECEIVED: FeedState.APPLIED,
            FeedState.APPLIED: _KEPT,
            FeedState.REFUSED: _KEPT,
        },
        FeedEvent.REFUSE: {
            FeedState.RECEIVED: FeedState.REFUSED,
            FeedState.APPLIED: _KEPT,
            FeedState.REFUSED: _KEPT,
        },
    },
)


@dataclass(frozen=True)
class RowError:
    """An error in a feed. `row` is the line of the file where the row begins; the header is line 1."""

    row: int
    column: str
    code: str
    message: str
    fix: str


@dataclass(frozen=True)
class Counting:
    """The meaning of a feed's stock numbers, and the time of counting if the vendor states it."""

    means: StockMeans = StockMeans.COUNTED
    at: datetime | None = None


@dataclass(frozen=True)
class ShortRow:
    """A row whose product has another number left to sell than it states.

    `ordered` is how many units orders took, or None if a newer statement of stock applies.
    """

    row: int
    sku: str
    stated: int
    ordered: int | None
    left: int
    says: str


@dataclass(frozen=True)
class StockReport:
    """How a feed's stock was understood.

    Products of rows that are not listed have exactly the stated number left to sell; `more_short` counts unlisted rows
    with another number. `first_sent_at` is when the same file was applied before, if its numbers count as of then.
    """

    means: StockMeans
    counted_at: datetime | None
    says: str
    short: tuple[ShortRow, ...]
    more_short: int
    first_sent_at: datetime | None = None


@dataclass(frozen=True)
class FeedReport:
    """A feed's result; `more_errors` counts errors beyond those listed.

    `stock` is None if nothing was applied.
    """

    feed_id: UUID
    vendor_id: UUID
    received_at: datetime
    mode: FeedMode
    applied: bool
    rows: int
    created: int
    updated: int
    unchanged: int
    refused: int
    errors: tuple[RowError, ...]
    more_errors: int
    stock: StockReport | None = None
