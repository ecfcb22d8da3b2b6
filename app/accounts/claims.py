"""Claims for missing points: a member files one, and an administrator refuses it or accepts it and books points."""

from dataclasses import replace
from uuid import UUID

from app import ledger
from app.accounts import claims_repository
from app.accounts.claims_models import CLAIM, Claim, ClaimEvent, ClaimState
from app.clock import Clock, local_date
from app.db import WriteSession
from app.errors import Conflict, NotFound
from app.ids import new_id
from app.members import standing
from app.offers import due
from app.orders import service as orders
from app.program import service as programs
from app.wallet import service
from app.wallet.models import Lot

of_member = claims_repository.claims_of_member
still_open = claims_repository.open_claims
ids_of = claims_repository.ids_of
erase = claims_repository.erase

RULE = UUID("00000000-0000-7000-8000-000000000002")
"""Id of the built-in earning rule under which accepted claims book their points."""


def claim(session: WriteSession, member_id: UUID, order_id: UUID, line: int, evidence: str, clock: Clock) -> Claim:
    """Store a member's claim for points that are missing on an order line.

    Raises NotFound if the member has no such line, and Conflict if an earlier claim for it is open or accepted.
    """
    if not orders.has_line(session, order_id, line, member_id):
        raise NotFound(f"you have no order {order_id} with a line {line}")
    claim = Claim(new_id(), member_id, order_id, line, evidence, ClaimState.OPEN, None, None, clock.now(), None)
    claims_repository.insert_claim(session, claim)
    ledger.append(session, "claims", claim.claim_id, claim)
    return claim


def decide(session: WriteSession, claim_id: UUID, points: int | None, reason: str, clock: Clock) -> Claim:
    """Accept a claim for missing points and book `points`, or refuse the claim if `points` is None.

    Raises NotFound, and Conflict if the claim was decided before or all units of its order line were returned.
    """
    claim = claims_repository.lock_claim(session, claim_id)
    if claim is None:
        raise NotFound(f"there is no claim {claim_id}")
    reason = standing.lock_words(session, claim.member_id, reason)
    event = ClaimEvent.ACCEPT if points else ClaimEvent.REFUSE
    state = CLAIM.move(claim.state, event)
    lot = _earn(session, claim, points, reason, clock) if points else None
    lot_id = lot.lot_id if lot else None
    decided = replace(claim, state=state, reason=reason, lot_id=lot_id, decided_at=clock.now())
    CLAIM.must_move(claims_repository.update_claim(session, decided, CLAIM.was(event, state)))
    document = {**decided.__dict__, "points": points, "vendor_id": lot.vendor_id if lot else None}
    ledger.append(session, "claims", claim_id, document)
    return decided


def _earn(session: WriteSession, claim: Claim, points: int, reason: str, clock: Clock) -> Lot:
    """Book an accepted claim's points as a lot that is pending until the order line's return window ends."""
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
