"""Between members, vendors and the program: payments, claims, statements."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path
from fastapi.responses import Response

from app.auth import Admin, Allow, Caller, Member
from app.errors import Conflict, NotFound
from app.idempotency import OnlyOnce
from app.paging import ById, Paging, paged
from app.problems import problems
from app.rewards import claims, payments, settlement, statements
from app.rewards.settlement_models import PaymentState
from app.rewards.settlement_schemas import (
    ClaimDecisionIn,
    ClaimIn,
    ClaimOut,
    ClaimsOut,
    PaymentMoveIn,
    PaymentOut,
    PaymentsOut,
    VendorStatementOut,
    YearStatementOut,
)
from app.routing import Router
from app.signing import Role
from app.wiring import Db, Time

router = Router(tags=["rewards"])


@router.get("/wallet/payments", summary="Your payments")
def list_own_payments(caller: Member, asked: ById, db: Db) -> PaymentsOut:
    """Cash back on its way to you, and what your subscriptions cost; newest first."""
    with db.read() as session:
        page = asked.page(partial(payments.of_member, session, caller.subject), "payment_id")
    return PaymentsOut(payments=[PaymentOut.model_validate(payment) for payment in page.rows], next=page.next)


@router.get("/payments", summary="Payments in a state")
def list_payments(
    caller: Admin,  # noqa: ARG001
    asked: Annotated[Paging[UUID], paged(UUID, default=100)],
    db: Db,
    state: PaymentState = PaymentState.INSTRUCTED,
) -> PaymentsOut:
    """For whoever carries them out; oldest first."""
    with db.read() as session:
        page = asked.page(partial(payments.of_state, session, state), "payment_id")
    return PaymentsOut(payments=[PaymentOut.model_validate(payment) for payment in page.rows], next=page.next)


@router.post(
    "/payments/{payment_id}/transitions",
    summary="Say what became of a payment",
    response_model=PaymentOut,
    responses=problems(NotFound, Conflict),
)
def move_payment(payment_id: UUID, asked: PaymentMoveIn, caller: Admin, once: OnlyOnce) -> Response:
    """Cash back that settled is fulfilled, that failed returns to the wallet; a settled charge buys its period."""
    return once(
        caller.key,
        lambda session: PaymentOut.model_validate(settlement.move(session, payment_id, asked.to, once.clock)),
    )


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
        lambda session: ClaimOut.model_validate(
            claims.claim(session, caller.subject, asked.order_id, asked.line, asked.evidence, once.clock)
        ),
    )


@router.get("/wallet/claims", summary="Your claims, newest first")
def list_own_claims(caller: Member, asked: ById, db: Db) -> ClaimsOut:
    """With what was decided, and why."""
    with db.read() as session:
        page = asked.page(partial(claims.of_member, session, caller.subject), "claim_id")
    return ClaimsOut(claims=[ClaimOut.model_validate(claim) for claim in page.rows], next=page.next)


@router.get("/claims", summary="Claims to decide, oldest first")
def list_open_claims(
    caller: Admin,  # noqa: ARG001
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
    responses=problems(NotFound, Conflict),
)
def decide_claim(claim_id: UUID, asked: ClaimDecisionIn, caller: Admin, once: OnlyOnce) -> Response:
    """An accepted claim earns its points as a purchase does: charged to the vendor, pending while units may return."""
    return once(
        caller.key,
        lambda session: ClaimOut.model_validate(
            claims.decide(session, claim_id, asked.points, asked.reason, once.clock)
        ),
    )


@router.get("/wallet/statements/{year}", summary="Your points of a year")
def get_own_statement(
    year: Annotated[int, Path(ge=1970, le=9000)], caller: Member, db: Db, clock: Time
) -> YearStatementOut:
    """Month by month: what was earned, confirmed, returned, spent and expired, each with what it was for."""
    with db.snapshot() as session:
        return YearStatementOut.model_validate(statements.of_member(session, caller.subject, year, clock))


@router.get(
    "/statements/{vendor_id}/{period}",
    summary="What a vendor's rewards cost it",
    responses=problems(NotFound),
)
def get_vendor_statement(
    vendor_id: UUID,
    period: str,
    caller: Annotated[Caller, Depends(Allow(Role.ADMIN, Role.VENDOR))],
    db: Db,
    clock: Time,
) -> VendorStatementOut:
    """Of a month, as 2026-11, in the program's time zone; what is left over is carried to the next."""
    if not caller.may(Role.ADMIN) and caller.subject != vendor_id:
        raise NotFound(f"there is no vendor {vendor_id}")
    with db.snapshot() as session:
        return VendorStatementOut.model_validate(statements.of_vendor(session, vendor_id, period, clock))
