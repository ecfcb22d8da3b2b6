"""Lots, rules and what else the rewards domain speaks of. Points are whole; money is in minor units."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo


class ReturnPolicy(StrEnum):
    """What is taken back when an order is returned after its points were confirmed."""

    ONLY_PENDING = "only_pending"
    WITHIN_BALANCE = "within_balance"


@dataclass(frozen=True)
class Program:
    name: str
    currency: str
    time_zone: str
    minor_per_100_points: int
    return_window_days: int
    expire_after_days: int | None
    return_policy: ReturnPolicy

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Scope(StrEnum):
    """What a rule or a boost is for, from the most particular to the most general."""

    PRODUCT = "product"
    BRAND = "brand"
    CATEGORY = "category"
    VENDOR = "vendor"
    EVERYTHING = "everything"


class Sellable(Protocol):
    """What earning needs to know of a product."""

    @property
    def product_id(self) -> UUID: ...
    @property
    def vendor_id(self) -> UUID: ...
    @property
    def category_id(self) -> UUID: ...
    @property
    def brand(self) -> str: ...
    @property
    def price_minor(self) -> int: ...
    @property
    def return_window_days(self) -> int: ...


class Method(StrEnum):
    RATE = "rate"
    FIXED = "fixed"


@dataclass(frozen=True)
class Rule:
    """`points` are given per 100 minor units paid (rate) or per unit bought (fixed)."""

    rule_id: UUID
    name: str
    scope: Scope
    target: str
    method: Method
    points: int
    starts_at: datetime | None
    ends_at: datetime | None

    def runs(self, at: datetime) -> bool:
        return (self.starts_at is None or self.starts_at <= at) and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True)
class Boost:
    """A running promotion or subscription that multiplies what is earned; 200 percent is double."""

    offer_id: UUID
    name: str
    scope: Scope
    target: str
    percent: int


@dataclass(frozen=True)
class Earning:
    """What buying one unit now would earn, and the day from which it can be spent."""

    points: int
    confirmed_on: date
    rule: str


class LotState(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    SPENT = "spent"
    EXPIRED = "expired"
    REMOVED = "removed"
    CLAWED_BACK = "clawed_back"


@dataclass(frozen=True)
class Lot:
    """What one group of units of one order line earned under one rule; `explanation` says how.

    `recovered` are points that were spent out of it and that a return then took out of the member's other lots.
    """

    lot_id: UUID
    member_id: UUID
    order_id: UUID
    line: int
    vendor_id: UUID
    rule_id: UUID
    units: int
    points: int
    unspent: int
    recovered: int
    state: LotState
    earned_at: datetime
    matures_on: date
    expires_on: date | None
    split_from: UUID | None
    explanation: dict[str, Any]


@dataclass(frozen=True)
class Wallet:
    member_id: UUID
    pending: int
    available: int


class Account(StrEnum):
    MEMBER_PENDING = "member_pending"
    MEMBER_AVAILABLE = "member_available"
    VENDOR_FUNDING = "vendor_funding"
    PROGRAM_LIABILITY = "program_liability"
    BREAKAGE = "breakage"


@dataclass(frozen=True)
class Posting:
    account: Account
    owner_id: UUID | None
    points: int


class RedemptionKind(StrEnum):
    ITEM = "item"
    CHECKOUT = "checkout"
    CASH_BACK = "cash_back"
    SUBSCRIPTION = "subscription"
    CLAWBACK = "clawback"


class RedemptionState(StrEnum):
    REQUESTED = "requested"
    FULFILLED = "fulfilled"


@dataclass(frozen=True)
class Redemption:
    """Points that were spent. `amount_minor` is what they paid, for checkout and cash back."""

    redemption_id: UUID
    member_id: UUID
    kind: RedemptionKind
    state: RedemptionState
    points: int
    amount_minor: int | None
    order_id: UUID | None
    offer_id: UUID | None
    redeemed_at: datetime


@dataclass(frozen=True)
class Draw:
    """How many points a redemption took out of a lot."""

    lot_id: UUID
    points: int


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
