"""Missing rewards: a member claims, an administrator decides, and an accepted claim earns under a rule of its own."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app import ledger
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import Conflict, NotFound
from app.ids import new_id
from app.rewards import service
from app.rewards.models import Lot, LotState

RULE = UUID("00000000-0000-7000-8000-000000000002")
"""The rule that every accepted claim earns under; the schema makes it."""


class ClaimState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True)
class Claim:
    """For one line of an order: `evidence` is what the member says, `reason` what was answered."""

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


_CLAIM = "claim_id, member_id, order_id, line, evidence, state, reason, lot_id, opened_at, decided_at"


def claim(session: WriteSession, member_id: UUID, order_id: UUID, line: int, evidence: str, clock: Clock) -> Claim:
    """Raises NotFound (another's order too), Conflict where the line has a claim that was not refused."""
    if not session.value(
        """SELECT EXISTS (SELECT FROM order_lines JOIN orders USING (order_id)
                          WHERE order_id = %s AND line = %s AND member_id = %s)""",
        (order_id, line, member_id),
    ):
        raise NotFound(f"you have no order {order_id} with a line {line}")
    opened = Claim(new_id(), member_id, order_id, line, evidence, ClaimState.OPEN, None, None, clock.now(), None)
    session.run(
        f"INSERT INTO claims ({_CLAIM}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        list(opened.__dict__.values()),
    )
    ledger.append(session, "claims", opened.claim_id, opened)
    return opened


def decide(session: WriteSession, claim_id: UUID, points: int | None, reason: str, clock: Clock) -> Claim:
    """Points accept, None refuses. Raises NotFound; Conflict where it is decided, or all its units came back."""
    found = session.one(Claim, f"SELECT {_CLAIM} FROM claims WHERE claim_id = %s FOR UPDATE", (claim_id,))
    if found is None:
        raise NotFound(f"there is no claim {claim_id}")
    if found.state is not ClaimState.OPEN:
        raise Conflict(f"the claim is {found.state} already")
    lot = _earn(session, found, points, reason, clock) if points else None
    decided = replace(
        found,
        state=ClaimState.ACCEPTED if lot else ClaimState.REFUSED,
        reason=reason,
        lot_id=lot.lot_id if lot else None,
        decided_at=clock.now(),
    )
    session.run(
        "UPDATE claims SET state = %s, reason = %s, lot_id = %s, decided_at = %s WHERE claim_id = %s",
        (decided.state, decided.reason, decided.lot_id, decided.decided_at, claim_id),
    )
    document = {**decided.__dict__, "points": points, "vendor_id": lot.vendor_id if lot else None}
    ledger.append(session, "claims", claim_id, document)
    return decided


def _earn(session: WriteSession, found: Claim, points: int, reason: str, clock: Clock) -> Lot:
    """Pending until the line's window ends, or until the next midnight where it has."""
    line = session.rows(
        """SELECT vendor_id, units - returned_units, matures_on, paid_minor, return_window_days FROM order_lines
           WHERE order_id = %s AND line = %s FOR UPDATE""",
        (found.order_id, found.line),
    )[0]
    vendor_id, units, matures_on, paid_minor, window = line
    if not units:
        raise Conflict("all units of the line came back: there is nothing to earn on")
    lot = Lot(
        lot_id=new_id(),
        member_id=found.member_id,
        order_id=found.order_id,
        line=found.line,
        vendor_id=vendor_id,
        rule_id=RULE,
        units=units,
        points=points,
        unspent=points,
        recovered=0,
        state=LotState.PENDING,
        earned_at=clock.now(),
        matures_on=matures_on,
        expires_on=None,
        split_from=None,
        explanation={
            "rule": "Missing reward, claimed",
            "gives": f"{points} as decided: {reason}",
            "claim": str(found.claim_id),
            "paid_minor": paid_minor,
            "units": units,
            "points": points,
            "return_window_days": window,
        },
    )
    service.book(session, [lot])
    return lot


def of_member(session: Session, member_id: UUID, limit: int) -> list[Claim]:
    """Newest first."""
    return session.all(
        Claim,
        f"SELECT {_CLAIM} FROM claims WHERE member_id = %s ORDER BY claim_id DESC LIMIT %s",
        (member_id, limit),
    )


def still_open(session: Session, limit: int) -> list[Claim]:
    """Oldest first."""
    return session.all(Claim, f"SELECT {_CLAIM} FROM claims WHERE state = 'open' ORDER BY claim_id LIMIT %s", (limit,))
