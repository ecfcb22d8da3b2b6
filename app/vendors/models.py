"""Vendors, the life they lead here, and the feeds they send."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from app.signing import Role


class VendorState(StrEnum):
    APPLIED = "applied"
    APPROVED = "approved"
    REJECTED = "rejected"
    ACTIVE = "active"
    SUSPENDED = "suspended"


# From a state, where to, and by whom. Nothing leads out of rejected: a rejected company applies anew.
MOVES: Mapping[VendorState, Mapping[VendorState, Role]] = MappingProxyType(
    {
        VendorState.APPLIED: {VendorState.APPROVED: Role.ADMIN, VendorState.REJECTED: Role.ADMIN},
        VendorState.APPROVED: {VendorState.ACTIVE: Role.VENDOR},
        VendorState.REJECTED: {},
        VendorState.ACTIVE: {VendorState.SUSPENDED: Role.ADMIN},
        VendorState.SUSPENDED: {VendorState.ACTIVE: Role.ADMIN},
    }
)
NEED_REASONS = frozenset({VendorState.REJECTED, VendorState.SUSPENDED})


@dataclass(frozen=True)
class Application:
    """What a company says of itself. `country` is ISO 3166-1 alpha-2, `currency` ISO 4217."""

    name: str
    legal_name: str
    country: str
    tax_id: str
    email: str
    website: str
    currency: str


@dataclass(frozen=True)
class Check:
    """An automatic check of an application, and what it found."""

    name: str
    passed: bool
    says: str


@dataclass(frozen=True)
class Vendor:
    """`tax_id` is kept without spaces and dashes; `reasons` are why it is rejected or suspended."""

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
    """The secret is shown once and not kept; None for who is rejected."""

    client_id: UUID
    client_secret: str | None


class FeedMode(StrEnum):
    """What becomes of a feed with bad rows: nothing of it counts, or its good rows do."""

    ALL_OR_NOTHING = "all_or_nothing"
    GOOD_ROWS = "good_rows"


@dataclass(frozen=True)
class RowError:
    """One thing wrong in a feed. `row` is the line of the file where the row begins; the header is line 1."""

    row: int
    column: str
    code: str
    message: str
    fix: str


@dataclass(frozen=True)
class FeedReport:
    """What became of a feed; `more_errors` is how many were found beyond those listed."""

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
