"""Payments: a member's own, those of a state, and what became of one."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi.responses import Response

from app.accounts.payments_schemas import PaymentMoveIn, PaymentOut, PaymentsOut
from app.auth import Admin, Member
from app.errors import Conflict
from app.idempotency import OnlyOnce
from app.offers import settling as settlement
from app.paging import ById, Paging, paged
from app.problems import problems
from app.routing import Router
from app.wallet import payments
from app.wallet.payments_models import PaymentState
from app.wiring import Db

router = Router(tags=["rewards"])


@router.get("/wallet/payments", summary="Your payments")
def list_own_payments(caller: Member, asked: ById, db: Db) -> PaymentsOut:
    """Cash back on its way to you, and what your subscriptions cost; newest first."""
    with db.read() as session:
        page = asked.page(partial(payments.of_member, session, caller.subject), "payment_id")
    return PaymentsOut(payments=[PaymentOut.model_validate(payment) for payment in page.rows], next=page.next)


@router.get("/payments", summary="Payments in a state")
def list_payments(
    caller: Admin,
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
    responses=problems(Conflict),
)
def move_payment(payment_id: UUID, asked: PaymentMoveIn, caller: Admin, once: OnlyOnce) -> Response:
    """Cash back that settled is fulfilled, that failed returns to the wallet; a settled charge buys its period."""
    return once(caller.key, lambda session: settlement.move(session, payment_id, asked.to, once.clock))
