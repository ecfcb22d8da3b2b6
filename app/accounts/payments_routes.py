"""Routes for payments of cash back and subscriptions: members list theirs, administrators report each one's state."""

from functools import partial
from uuid import UUID

from fastapi.responses import Response

from app.accounts.payments_schemas import PaymentMoveIn, PaymentOut, PaymentsOut
from app.auth import Admin, Member
from app.errors import Conflict
from app.idempotency import OnlyOnce
from app.offers import settling as settlement
from app.paging import ById, ById100
from app.problems import problems
from app.routing import Router
from app.wallet import payments
from app.wallet.payments_models import PaymentState
from app.wiring import Db

router = Router(tags=["rewards"])


@router.get("/wallet/payments", summary="Your payments")
def list_own_payments(caller: Member, paging: ById, db: Db) -> PaymentsOut:
    """Cash back paid to you, and charges for your subscriptions; newest first."""
    with db.read() as session:
        page = paging.page(partial(payments.of_member, session, caller.subject), "payment_id")
    return PaymentsOut(payments=[PaymentOut.model_validate(payment) for payment in page.rows], next=page.next)


@router.get("/payments", summary="Payments in a state")
def list_payments(caller: Admin, paging: ById100, db: Db, state: PaymentState = PaymentState.INSTRUCTED) -> PaymentsOut:
    """Payments in a state, oldest first, for the person or system that carries payments out."""
    with db.read() as session:
        page = paging.page(partial(payments.of_state, session, state), "payment_id")
    return PaymentsOut(payments=[PaymentOut.model_validate(payment) for payment in page.rows], next=page.next)


@router.post(
    "/payments/{payment_id}/transitions",
    summary="Report a payment's new state",
    response_model=PaymentOut,
    responses=problems(Conflict),
)
def move_payment(payment_id: UUID, move: PaymentMoveIn, caller: Admin, once: OnlyOnce) -> Response:
    """Report a payment's new state, such as `settled`; the state of its cash back or subscription follows from it."""
    return once(caller.key, lambda session: settlement.move(session, payment_id, move.to, once.clock))
