"""Routes for claims for missing points: members file and list their own, administrators decide on open claims."""

from functools import partial
from uuid import UUID

from fastapi.responses import Response

from app.accounts import claims
from app.accounts.claims_schemas import ClaimDecisionIn, ClaimIn, ClaimOut, ClaimsOut
from app.auth import Admin, Member
from app.errors import Conflict, NotFound
from app.idempotency import OnlyOnce
from app.paging import ById, ById100
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
def claim_reward(draft: ClaimIn, caller: Member, once: OnlyOnce) -> Response:
    """Claim points that are missing on a line of one of your orders, with evidence."""
    return once(
        caller.key,
        lambda session: claims.claim(session, caller.subject, draft.order_id, draft.line, draft.evidence, once.clock),
    )


@router.get("/wallet/claims", summary="Your claims, newest first")
def list_own_claims(caller: Member, paging: ById, db: Db) -> ClaimsOut:
    """Your claims for missing points, each with the decision and its reason."""
    with db.read() as session:
        page = paging.page(partial(claims.of_member, session, caller.subject), "claim_id")
    return ClaimsOut(claims=[ClaimOut.model_validate(claim) for claim in page.rows], next=page.next)


@router.get("/claims", summary="Claims to decide, oldest first")
def list_open_claims(caller: Admin, paging: ById100, db: Db) -> ClaimsOut:
    """All members' claims for missing points that are not decided yet."""
    with db.read() as session:
        page = paging.page(partial(claims.still_open, session), "claim_id")
    return ClaimsOut(claims=[ClaimOut.model_validate(claim) for claim in page.rows], next=page.next)


@router.post(
    "/claims/{claim_id}/decision",
    summary="Accept or refuse a claim",
    response_model=ClaimOut,
    responses=problems(Conflict),
)
def decide_claim(claim_id: UUID, draft: ClaimDecisionIn, caller: Admin, once: OnlyOnce) -> Response:
    """Accept a claim for missing points and book points to the member, or refuse it. The member sees the reason."""
    return once(caller.key, lambda session: claims.decide(session, claim_id, draft.points, draft.reason, once.clock))
