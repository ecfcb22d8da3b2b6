"""Lots, wallets, postings and redemptions. Points are integers; amounts of money are in minor units."""

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
    """Where a lot's points come from: a purchase under a rule or offer, or the correction with the id `source_id`."""

    PURCHASE = "purchase"
    CORRECTION = "correction"


@dataclass(frozen=True)
class Lot:
    """A points lot: points that units of an order line earned under one rule or offer, or that a correction gave.

    `explanation` shows how the points were calculated. If units are returned after their points were spent, `recovered`
    points are paid by the member's other lots, and `short` points can't be paid. Short points that a cancelled
    redemption puts back into the lot go to the account that funded the lot.
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
        """Return a posting of `points` to the account that funded the lot: a vendor's, or the one for corrections."""
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
        """Create the pending lot that a purchase earns at the time `at`."""
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
        """Create the lot of a correction, which can be spent at once and expires like other lots."""
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
    """A member's balances of points.

    `owed` is a debt: points that returns took beyond the balance. New points pay the debt first.
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
    """The state of a redemption. It can be cancelled until it is fulfilled."""

    REQUESTED = "requested"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Redemption:
    """Points that a member spent, or that a return or correction took back.

    `amount_minor` is their worth in money, for points spent at checkout or on cash back; else None.
    """

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
        """Create a redemption: in the state requested if it is for an item or cash back, else fulfilled at once."""
        unfulfilled = kind in (RedemptionKind.ITEM, RedemptionKind.CASH_BACK)
        state = RedemptionState.REQUESTED if unfulfilled else RedemptionState.FULFILLED
        return cls(new_id(), member_id, kind, state, points, amount_minor, order_id, offer_id, at)


@dataclass(frozen=True)
class Draw:
    """The points that a redemption took from one lot."""

    lot_id: UUID
    points: int


@dataclass(frozen=True)
class Batch:
    """A request to confirm or expire up to `limit` lots that are due on `day` or before, of one member or of all.

    `at` is the time that the postings get.
    """

    day: date
    at: datetime
    limit: int
    member_id: UUID | None = None


@dataclass(frozen=True)
class Moved:
    """The result of a batch: numbers of lots and points, a ledger entry per member, and whether any lot was due."""

    due: bool
    lots: int
    points: int
    items: Sequence[orjson.Fragment]
