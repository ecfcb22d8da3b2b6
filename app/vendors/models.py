"""Vendors, their states, and the feeds that they send."""

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
_DECIDED_BEFORE: dict[VendorState, VendorState | Refused] = dict.fromkeys(VendorState, _DECIDED)

VENDOR: Machine[VendorState, VendorEvent] = Machine(
    "vendor",
    VendorState,
    VendorEvent,
    starts=(_V.APPLIED, _V.REJECTED, _V.ACTIVE),  # rejected by an automatic check, active from a trusted source
    table={
        _VE.APPLY: dict.fromkeys(VendorState, _APPLIED),
        _VE.APPROVE: _DECIDED_BEFORE | {_V.APPLIED: _V.APPROVED, _V.REJECTED: _REJECTED},
        _VE.REJECT: _DECIDED_BEFORE | {_V.APPLIED: _V.REJECTED},
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
            **dict.fromkeys((_V.APPLIED, _V.APPROVED, _V.ACTIVE), _NOT_SUSPENDED),
            _V.REJECTED: _REJECTED,
            _V.SUSPENDED: _V.ACTIVE,
        },
    },
)
MOVES: Mapping[VendorState, Mapping[VendorState, Role]] = {
    state: {
        after: Role.VENDOR if event is _VE.ACTIVATE else Role.ADMIN
        for event, before, after in VENDOR.cells()
        if before is state and not isinstance(after, Refused)
    }
    for state in VendorState
}
"""For each state, the states that may follow it by the API, with the role that may request the change."""


def event_of(state: VendorState, to: VendorState) -> VendorEvent:
    """Return the event that changes a vendor's state from `state` to `to`; MOVES lists the allowed pairs."""
    return next(event for event, row in VENDOR.table.items() if row[state] == to)


NEED_REASONS = frozenset({VendorState.REJECTED, VendorState.SUSPENDED})


@dataclass(frozen=True)
class Application:
    """A company's application to become a vendor. `country` is ISO 3166-1 alpha-2, `currency` ISO 4217."""

    name: str
    legal_name: str
    country: str
    tax_id: str
    email: str
    website: str
    currency: str


@dataclass(frozen=True)
class Check:
    """The result of an automatic check of an application; `says` explains the result in words."""

    name: str
    passed: bool
    says: str


@dataclass(frozen=True)
class Vendor:
    """A vendor. `tax_id` is stored without spaces and dashes; `reasons` explain a rejection or suspension."""

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
    """A vendor's OAuth client id and secret. The secret is shown once; it is None for a rejected application."""

    client_id: UUID
    client_secret: str | None


class FeedMode(StrEnum):
    """What happens to a feed that has bad rows: the whole feed is refused, or its good rows are applied."""

    ALL_OR_NOTHING = "all_or_nothing"
    GOOD_ROWS = "good_rows"


class FeedState(StrEnum):
    RECEIVED = "received"
    """The state while a feed is parsed; a stored feed is applied or refused."""
    APPLIED = "applied"
    REFUSED = "refused"


class FeedEvent(StrEnum):
    APPLY = "apply"
    REFUSE = "refuse"


_KEPT: dict[FeedState, FeedState | Refused] = dict.fromkeys(
    (FeedState.APPLIED, FeedState.REFUSED), Refused("it was decided when it came; send it again")
)
FEED: Machine[FeedState, FeedEvent] = Machine(
    "feed",
    FeedState,
    FeedEvent,
    starts=(FeedState.RECEIVED,),
    table={
        FeedEvent.APPLY: _KEPT | {FeedState.RECEIVED: FeedState.APPLIED},
        FeedEvent.REFUSE: _KEPT | {FeedState.RECEIVED: FeedState.REFUSED},
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
    """What the stock numbers in a feed mean (`means`), and when the vendor counted them (`at`, None if not stated)."""

    means: StockMeans = StockMeans.COUNTED
    at: datetime | None = None


@dataclass(frozen=True)
class ShortRow:
    """A row of a feed whose stock number differs from the units that the product now has left to sell.

    `ordered` units were ordered since the stock was counted; `ordered` is None if a newer stock number applies.
    """

    row: int
    sku: str
    stated: int
    ordered: int | None
    left: int
    says: str


@dataclass(frozen=True)
class StockReport:
    """The stock part of a feed's report: how stock numbers were interpreted, and rows with another number than is left.

    `short` lists the first of these rows, `more_short` counts the others. `first_sent_at` is when the same file was
    first applied, None if never before; a repeated file does not replace stock numbers.
    """

    means: StockMeans
    counted_at: datetime | None
    says: str
    short: tuple[ShortRow, ...]
    more_short: int
    first_sent_at: datetime | None = None


@dataclass(frozen=True)
class FeedReport:
    """The report on a feed; `more_errors` counts errors that are not listed, `stock` is None if nothing was applied."""

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
