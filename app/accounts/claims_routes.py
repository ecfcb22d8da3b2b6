"""Claims of missing rewards: a member's own, and deciding them."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi.responses import Response

from app.accounts import claims
from app.accounts.claims_schemas import ClaimDecisionIn, ClaimIn, ClaimOut, ClaimsOut
from app.auth import Admin, Member
from app.errors import Conflict, NotFound
from app.idempotency import OnlyOnce
from app.paging import ById, Paging, paged
from app.problems import problems
from app.routing import Router
from app.wiring import Db

router = Router(tags=["rewards"])


@router.post(
    "/claims",
    status_code=201,
    summary="Claim a missing reward",
    response_model=ClaimOut,
    responses=problems(NotFound, Conflict),
)
def claim_reward(asked: ClaimIn, caller: Member, once: OnlyOnce) -> Response:
    """For a line of one of your orders, with what speaks for it."""
    return once(
        caller.key,
        lambda session: claims.claim(session, caller.subject, asked.order_id, asked.line, asked.evidence, once.clock),
    )


@router.get("/wallet/claims", summary="Your claims, newest first")
def list_own_claims(caller: Member, asked: ById, db: Db) -> ClaimsOut:
    """With what was decided, and why."""
    with db.read() as session:
        page = asked.page(partial(claims.of_member, session, caller.subject), "claim_id")
    return ClaimsOut(claims=[ClaimOut.model_validate(claim) for claim in page.rows], next=page.next)


@router.get("/claims", summary="Claims to decide, oldest first")
def list_open_claims(
    caller: Admin,
    asked: Annotated[Paging[UUID], paged(UUID, default=100)],
    db: Db,
) -> ClaimsOut:
    """Those that are open."""
    with db.read() as session:
        page = asked.page(partial(claims.still_open, session), "claim_id")
    return ClaimsOut(claims=[ClaimOut.model_validate(claim) for claim in page.rows], next=page.next)


@router.post(
    "/claims/{claim_id}/decision",
    summary="Accept or refuse a claim",
    response_model=ClaimOut,
    responses=problems(Conflict),
)
def decide_claim(claim_id: UUID, asked: ClaimDecisionIn, caller: Admin, once: OnlyOnce) -> Response:
    """An accepted claim earns its points as a purchase does: charged to the vendor, pending while units may return."""
    return once(caller.key, lambda session: claims.decide(session, claim_id, asked.points, asked.reason, once.clock))
