"""Claims of missing points, and their states."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class ClaimState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True)
class Claim:
    """A claim for an order line: `evidence` is the member's text, `reason` the administrator's."""

    claim_id: UUID
    member_id: UUID
    order_id: UUID
    line: int
    evidence: str
    state: ClaimState
    reason: str | None
    lot_id: UUID | None
    opened_at: datetime
    decided_at: datetime | None


class ClaimEvent(StrEnum):
    ACCEPT = "accept"
    REFUSE = "refuse"


_C, _CE = ClaimState, ClaimEvent
_DECIDED = Refused("it was decided already")

CLAIM: Machine[ClaimState, ClaimEvent] = Machine(
    "claim",
    ClaimState,
    ClaimEvent,
    starts=(_C.OPEN,),
    table={
        _CE.ACCEPT: {_C.OPEN: _C.ACCEPTED, _C.ACCEPTED: _DECIDED, _C.REFUSED: _DECIDED},
        _CE.REFUSE: {_C.OPEN: _C.REFUSED, _C.ACCEPTED: _DECIDED, _C.REFUSED: _DECIDED},
    },
)
