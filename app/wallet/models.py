"""Lots, wallets, postings and redemptions. Points are whole; money is in minor units."""

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
    """What gave a lot's points. Those of a purchase name order, line, vendor and rule; the others `source_id`."""

    PURCHASE = "purchase"
    CORRECTION = "correction"


@dataclass(frozen=True)
class Lot:
    """What one group of units of one order line earned under one rule, or a correction booked.

    `explanation` says how many and why. `recovered` are points that were spent out of it and that a return then took
    out of the member's other lots; `short` are those that it could take nowhere, and that its funder gets once they
    come back.
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
        """The side of a movement on the account that the lot's points came from."""
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
        """As it is when it was just earned."""
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
        """A lot that a correction books: it can be spent at once, and expires as the program says."""
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
    """`owed` is what returns took beyond the balance; what is confirmed next pays it first."""

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
    CORRECTIONS = "corrections"  # the program's own: what administrators book to members and take from them


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
    """It can be cancelled until it is fulfilled."""

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
        """An item is still to be handed out and cash back to be paid; the other kinds are fulfilled by being made."""
        waits = kind in (RedemptionKind.ITEM, RedemptionKind.CASH_BACK)
        state = RedemptionState.REQUESTED if waits else RedemptionState.FULFILLED
        return cls(new_id(), member_id, kind, state, points, amount_minor, order_id, offer_id, at)


@dataclass(frozen=True)
class Draw:
    """How many points a redemption took out of a lot."""

    lot_id: UUID
    points: int


@dataclass(frozen=True)
class Batch:
    """Lots that are due by a day: of one member, or of all. Their postings are dated `at`."""

    day: date
    at: datetime
    limit: int
    member_id: UUID | None = None


@dataclass(frozen=True)
class Moved:
    """A batch's result: one item a member and day for the journal. `found` is false where nothing was due any more."""

    found: bool
    lots: int
    points: int
    items: Sequence[orjson.Fragment]
