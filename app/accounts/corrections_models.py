"""Corrections: points that administrators book to a member, or take."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class CorrectionState(StrEnum):
    """The state of a correction: booked at once within the limit, else proposed to a second administrator."""

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
    """A requested correction. Positive `points` are booked to the member, negative ones taken."""

    member_id: UUID
    points: int
    reason: str
    evidence: str


@dataclass(frozen=True)
class Correction:
    """A correction. `approved_by` is None if it was within the limit.

    `closing_points` is by how much its reversal changed the member's points. A booking has a lot, a taking has a
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
