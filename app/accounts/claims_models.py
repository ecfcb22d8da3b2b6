"""Members' claims for missing points, and the states in which a claim can be."""

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
    """A member's claim for missing points of an order line; `reason` is why an administrator accepted or refused it."""

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

CLAIM: Machine[ClaimState, ClaimEvent] = Machine.of(
    "claim",
    ClaimState,
    ClaimEvent,
    starts=(_C.OPEN,),
    rows={  # open, accepted, refused
        _CE.ACCEPT: (_C.ACCEPTED, _DECIDED, _DECIDED),
        _CE.REFUSE: (_C.REFUSED, _DECIDED, _DECIDED),
    },
)
