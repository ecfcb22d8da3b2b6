"""What follows when a payment's state changes."""

from uuid import UUID

from app.clock import Clock
from app.db import WriteSession
from app.offers import redemption, renewals
from app.wallet import payments
from app.wallet.payments_models import Payment, PaymentState


def move(session: WriteSession, payment_id: UUID, to: PaymentState, clock: Clock) -> Payment:
    """Cash back that settled is fulfilled, that failed goes back into the wallet; a settled charge buys its period.

    A charge that failed is made again at the next midnight, as long as the days of grace run. One that settled and buys
    nothing any more is paid back, and paid back anew where that fails.

    Raises NotFound, and Conflict where that state may not follow.
    """
    _lock_its_subject(session, payments.payment(session, payment_id))
    moved = payments.move(session, payment_id, to, clock)
    match moved.state, moved.redemption_id, moved.subscription_id:
        case PaymentState.SETTLED, UUID() as redemption_id, _:
            redemption.paid(session, redemption_id)
        case ((PaymentState.FAILED | PaymentState.CANCELLED), UUID() as redemption_id, _):
            redemption.payment_failed(session, redemption_id, clock)
        case PaymentState.SETTLED, _, UUID() as subscription_id:
            if not renewals.settled(session, subscription_id, clock):
                payments.refund(session, moved, clock)
        case PaymentState.FAILED, _, _ if moved.refund_of:
            payments.refund(session, moved, clock)
        case _:
            pass
    return moved


def end_all(session: WriteSession, member_id: UUID, clock: Clock) -> None:
    """For a member who is erased: end subscriptions, call off what was not charged or paid out yet.

    What was sent already may still be paid: a charge is then paid back.
    """
    renewals.end_all(session, member_id, clock)
    for redemption_id in payments.unsent_payouts(session, member_id):
        redemption.cancel(session, redemption_id, clock)


def _lock_its_subject(session: WriteSession, payment: Payment) -> None:
    """Before the payment, as whoever cancels a subscription or a redemption does."""
    if payment.subscription_id:
        renewals.lock(session, payment.subscription_id)
    elif payment.redemption_id:
        redemption.lock(session, payment.redemption_id)
