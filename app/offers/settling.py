"""Change a payment's state, and the redemption or subscription that it pays for."""

from uuid import UUID

from app.clock import Clock
from app.db import WriteSession
from app.offers import redemption, renewals
from app.wallet import payments
from app.wallet import service as wallets
from app.wallet.payments_models import Payment, PaymentState


def move(session: WriteSession, payment_id: UUID, to: PaymentState, clock: Clock) -> Payment:
    """Change a payment's state, and apply the consequences to its redemption or subscription.

    Settled cash back is fulfilled, failed cash back is undone. A settled charge pays for a period, or is refunded if
    the subscription can't be extended. A failed refund is retried at once, a failed charge is retried each night during
    the days of grace. Raises NotFound, and Conflict if the payment's state does not allow the change.
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
    """End an erased member's subscriptions, and cancel charges and payouts that were not sent.

    A charge that was sent may still be paid, and is then refunded.
    """
    renewals.end_all(session, member_id, clock)
    for redemption_id in payments.unsent_payouts(session, member_id):
        redemption.cancel(session, redemption_id, clock)


def _lock_its_subject(session: WriteSession, payment: Payment) -> None:
    """Lock the subscription or redemption that a payment is for. To avoid deadlocks, lock the payment after this."""
    if payment.subscription_id:
        renewals.lock(session, payment.subscription_id)
    elif payment.redemption_id:
        wallets.lock_redemption(session, payment.redemption_id)
