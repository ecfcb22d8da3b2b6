"""Corrections: points that administrators book to members or take from them, and the states of a correction."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class CorrectionState(StrEnum):
    """The state of a correction; beyond the daily limit it is `proposed` until a second administrator approves it."""

    PROPOSED = "proposed"
    BOOKED = "booked"
    REJECTED = "rejected"
    REVERSED = "reversed"


class CorrectionEvent(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    REVERSE = "reverse"


_C, _CE = CorrectionState, CorrectionEvent
_BOOKED = Refused("it needs no approval any more")
_MOVED = Refused("its points have moved; reverse it")
_NOT_MOVED = Refused("its points have not moved; reject it")
_OVER = Refused("it is over")

CORRECTION: Machine[CorrectionState, CorrectionEvent] = Machine.of(
    "correction",
    CorrectionState,
    CorrectionEvent,
    starts=(_C.PROPOSED, _C.BOOKED),
    rows={  # proposed, booked, rejected, reversed
        _CE.APPROVE: (_C.BOOKED, _BOOKED, _OVER, _OVER),
        _CE.REJECT: (_C.REJECTED, _MOVED, _OVER, _OVER),
        _CE.REVERSE: (_NOT_MOVED, _C.REVERSED, _OVER, _OVER),
    },
)


@dataclass(frozen=True)
class CorrectionDraft:
    """A correction as its author enters it. Positive `points` are booked to the member, negative ones are taken."""

    member_id: UUID
    points: int
    reason: str
    evidence: str


@dataclass(frozen=True)
class Correction:
    """A correction of a member's points; `approved_by` is None if the daily limit allowed it without an approval.

    Booking positive `points` creates the lot `lot_id`; booking negative ones creates the redemption `redemption_id`.
    `closing_points` is how many points the member got by the reversal of the correction, or lost if it is negative.
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
