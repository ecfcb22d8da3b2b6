"""Claims of missing points: a member claims, an administrator decides, and an accepted claim earns a lot."""

from dataclasses import replace
from uuid import UUID

from app import ledger
from app.accounts import claims_repository
from app.accounts.claims_models import CLAIM, Claim, ClaimEvent, ClaimState
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.errors import Conflict, NotFound
from app.ids import new_id
from app.members import standing
from app.offers import due
from app.orders import service as orders
from app.program import service as programs
from app.wallet import service
from app.wallet.models import Lot

RULE = UUID("00000000-0000-7000-8000-000000000002")
"""The rule of lots from accepted claims; a migration inserts it."""


def claim(session: WriteSession, member_id: UUID, order_id: UUID, line: int, evidence: str, clock: Clock) -> Claim:
    """Open a claim.

    Raises NotFound (also for another member's order), Conflict if the line has a claim that is not refused.
    """
    if not orders.has_line(session, order_id, line, member_id):
        raise NotFound(f"you have no order {order_id} with a line {line}")
    claim = Claim(new_id(), member_id, order_id, line, evidence, ClaimState.OPEN, None, None, clock.now(), None)
    claims_repository.insert_claim(session, claim)
    ledger.append(session, "claims", claim.claim_id, claim)
    return claim


def decide(session: WriteSession, claim_id: UUID, points: int | None, reason: str, clock: Clock) -> Claim:
    """Accept a claim with points, or refuse it with None.

    Raises NotFound, and Conflict if it was decided before or all units of the line came back.
    """
    claim = claims_repository.lock_claim(session, claim_id)
    if claim is None:
        raise NotFound(f"there is no claim {claim_id}")
    reason = standing.lock_words(session, claim.member_id, reason)
    event = ClaimEvent.ACCEPT if points else ClaimEvent.REFUSE
    state = CLAIM.move(claim.state, event)
    lot = _earn(session, claim, points, reason, clock) if points else None
    decided = replace(
        claim,
        state=state,
        reason=reason,
        lot_id=lot.lot_id if lot else None,
        decided_at=clock.now(),
    )
    CLAIM.must_move(claims_repository.update_claim(session, decided, CLAIM.was(event, state)))
    document = {**decided.__dict__, "points": points, "vendor_id": lot.vendor_id if lot else None}
    ledger.append(session, "claims", claim_id, document)
    return decided


def _earn(session: WriteSession, claim: Claim, points: int, reason: str, clock: Clock) -> Lot:
    """Book a lot that is pending until the line's return window ends; if it has ended, confirm the lot at once.

    A lot confirmed at once expires like points of a purchase made today.
    """
    due.write(session, claim.member_id, clock.now())
    today = local_date(clock.now(), programs.program(session).zone)
    line = orders.lock_line(session, claim.order_id, claim.line)
    if not (units := line.units - line.returned_units):
        raise Conflict("all units of the line came back: there is nothing to earn on")
    matures_on = max(line.matures_on, today)
    lot = Lot.pending(
        member_id=claim.member_id,
        order_id=claim.order_id,
        line=claim.line,
        vendor_id=line.vendor_id,
        rule_id=RULE,
        units=units,
        points=points,
        at=clock.now(),
        matures_on=matures_on,
        explanation={
            "rule": "Missing reward, claimed",
            "gives": f"{points} as decided: {reason}",
            "claim": str(claim.claim_id),
            "base_minor": line.paid_minor,
            "units": units,
            "points": points,
            "return_window_days": line.return_window_days,
            "window_ends_on": str(line.matures_on),
        },
    )
    service.book(session, [lot])
    if matures_on == today:
        due.write_now(session, {claim.member_id: clock.now()})
    return lot


def of_member(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Claim]:
    """Return a member's claims, newest first."""
    return claims_repository.claims_of_member(session, member_id, after, limit)


def still_open(session: Session, after: UUID | None, limit: int) -> list[Claim]:
    """Return open claims, oldest first."""
    return claims_repository.open_claims(session, after, limit)
