"""Lots, wallets, postings and redemptions. Points are whole numbers; money is in minor units."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import orjson

from app.ids import new_id
from app.program.models import Program


class LotState(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    SPENT = "spent"
    EXPIRED = "expired"
    REMOVED = "removed"
    CLAWED_BACK = "clawed_back"


class LotSource(StrEnum):
    """Defines the origin of a lot's points.

    Purchases name order, line, vendor and rule; corrections name `source_id`.
    """

    PURCHASE = "purchase"
    CORRECTION = "correction"


@dataclass(frozen=True)
class Lot:
    """A lot: the points that a group of units of an order line earned under one rule, or that a correction booked.

    `explanation` says how many points and why. `recovered` points were spent, and a return took them from the member's
    other lots. `short` points were spent, and a return could take them nowhere; the funder gets them if they come back.
    """

    lot_id: UUID
    member_id: UUID
    order_id: UUID | None
    line: int | None
    vendor_id: UUID | None
    rule_id: UUID | None
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
    short: int = 0
    source: LotSource = LotSource.PURCHASE
    source_id: UUID | None = None

    def funding(self, points: int) -> "Posting":
        """Return the posting on the account that funded the lot."""
        if self.source is LotSource.CORRECTION:
            return Posting(Account.CORRECTIONS, None, points)
        return Posting(Account.VENDOR_FUNDING, self.vendor_id, points)

    @classmethod
    def pending(
        cls,
        member_id: UUID,
        order_id: UUID,
        line: int,
        vendor_id: UUID,
        rule_id: UUID,
        units: int,
        points: int,
        at: datetime,
        matures_on: date,
        explanation: dict[str, Any],
    ) -> Self:
        """Create a lot that was just earned."""
        return cls(
            *(new_id(), member_id, order_id, line, vendor_id, rule_id, units),
            points=points,
            unspent=points,
            recovered=0,
            state=LotState.PENDING,
            earned_at=at,
            matures_on=matures_on,
            expires_on=None,
            split_from=None,
            explanation=explanation,
        )

    @classmethod
    def corrected(cls, member_id: UUID, correction_id: UUID, points: int, at: datetime, program: Program) -> Self:
        """Create the lot that a correction books: it can be spent at once, and expires as the program defines."""
        today = at.astimezone(program.zone).date()
        days = program.expire_after_days
        return cls(
            *(new_id(), member_id, None, None, None, None, 0),
            points=points,
            unspent=points,
            recovered=0,
            state=LotState.CONFIRMED,
            earned_at=at,
            matures_on=today,
            expires_on=today + timedelta(days=days) if days else None,
            split_from=None,
            explanation={
                "rule": "Correction by the program",
                "gives": f"{points} points",
                "correction": str(correction_id),
                "points": points,
            },
            source=LotSource.CORRECTION,
            source_id=correction_id,
        )


@dataclass(frozen=True)
class Wallet:
    """A member's wallet.

    `owed` points were taken by returns beyond the balance; points confirmed next pay them first.
    """

    member_id: UUID
    pending: int
    available: int
    owed: int = 0


class Account(StrEnum):
    MEMBER_PENDING = "member_pending"
    MEMBER_AVAILABLE = "member_available"
    MEMBER_OWED = "member_owed"
    VENDOR_FUNDING = "vendor_funding"
    PROGRAM_LIABILITY = "program_liability"
    BREAKAGE = "breakage"
    CORRECTIONS = "corrections"  # the program's account for corrections by administrators


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
    CORRECTION = "correction"


class RedemptionState(StrEnum):
    """The state of a redemption; it can be cancelled until it is fulfilled."""

    REQUESTED = "requested"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


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

    @classmethod
    def made(
        cls,
        member_id: UUID,
        kind: RedemptionKind,
        points: int,
        at: datetime,
        *,
        amount_minor: int | None = None,
        order_id: UUID | None = None,
        offer_id: UUID | None = None,
    ) -> Self:
        """Create a redemption. Items and cash back wait for fulfilment; other kinds are fulfilled at once."""
        unfulfilled = kind in (RedemptionKind.ITEM, RedemptionKind.CASH_BACK)
        state = RedemptionState.REQUESTED if unfulfilled else RedemptionState.FULFILLED
        return cls(new_id(), member_id, kind, state, points, amount_minor, order_id, offer_id, at)


@dataclass(frozen=True)
class Draw:
    """The points that a redemption took out of a lot."""

    lot_id: UUID
    points: int


@dataclass(frozen=True)
class Batch:
    """Lots that are due up to a day, of one member or of all. Their postings are dated `at`."""

    day: date
    at: datetime
    limit: int
    member_id: UUID | None = None


@dataclass(frozen=True)
class Moved:
    """A batch's result, with one journal item per member. `due` is false if no lot was due any more."""

    due: bool
    lots: int
    points: int
    items: Sequence[orjson.Fragment]
