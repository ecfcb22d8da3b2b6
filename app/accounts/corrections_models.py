"""Corrections: points that administrators book to a member, or take, by hand."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class CorrectionState(StrEnum):
    """One within the limit is booked at once; past it, a second administrator books or rejects it."""

    PROPOSED = "proposed"
    BOOKED = "booked"
    REJECTED = "rejected"
    REVERSED = "reversed"


class CorrectionEvent(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    REVERSE = "reverse"


_IS_OVER = Refused("it is over")
CORRECTION: Machine[CorrectionState, CorrectionEvent] = Machine(
    "correction",
    CorrectionState,
    CorrectionEvent,
    starts=(CorrectionState.PROPOSED, CorrectionState.BOOKED),
    table={
        CorrectionEvent.APPROVE: {
            CorrectionState.PROPOSED: CorrectionState.BOOKED,
            CorrectionState.BOOKED: Refused("it needs no approval any more"),
            CorrectionState.REJECTED: _IS_OVER,
            CorrectionState.REVERSED: _IS_OVER,
        },
        CorrectionEvent.REJECT: {
            CorrectionState.PROPOSED: CorrectionState.REJECTED,
            CorrectionState.BOOKED: Refused("its points have moved; reverse it"),
            CorrectionState.REJECTED: _IS_OVER,
            CorrectionState.REVERSED: _IS_OVER,
        },
        CorrectionEvent.REVERSE: {
            CorrectionState.PROPOSED: Refused("its points have not moved; reject it"),
            CorrectionState.BOOKED: CorrectionState.REVERSED,
            CorrectionState.REJECTED: _IS_OVER,
            CorrectionState.REVERSED: _IS_OVER,
        },
    },
)


@dataclass(frozen=True)
class CorrectionDraft:
    """What an administrator asks for. `points` are booked to the member; fewer than none are taken."""

    member_id: UUID
    points: int
    reason: str
    evidence: str


@dataclass(frozen=True)
class Correction:
    """`approved_by` is None where the limit let its author book it alone.

    `closing_points` is by how many its reversal changed what the member has. A booking names its lot, a taking its
    redemption.
    """

    correction_id: UUID
    member_id: UUID
    points: int
    reason: str
    evidence: str
    state: CorrectionState
    proposed_by: UUID
    proposed_at: datetime
    approved_by: UUID | None = None
    booked_at: datetime | None = None
    closed_by: UUID | None = None
    closed_at: datetime | None = None
    closing_reason: str | None = None
    closing_points: int | None = None
    lot_id: UUID | None = None
    redemption_id: UUID | None = None
