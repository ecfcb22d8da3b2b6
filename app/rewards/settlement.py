"""What follows when a payment's state changes."""

from uuid import UUID

from app.clock import Clock
from app.db import WriteSession
from app.offers import subscriptions
from app.rewards import payments, redemption
from app.rewards.settlement_models import Payment, PaymentState


def move(session: WriteSession, payment_id: UUID, to: PaymentState, clock: Clock) -> Payment:
    """Cash back that settled is fulfilled, that failed goes back into the wallet; a settled charge buys its period.

    Raises NotFound, and Conflict where that state may not follow. A charge that failed is made again at the next
    midnight, as long as the days of grace run.
    """
    moved = payments.move(session, payment_id, to, clock)
    match moved.state, moved.redemption_id, moved.subscription_id:
        case PaymentState.SETTLED, UUID() as redemption_id, _:
            redemption.fulfil(session, redemption_id)
        case ((PaymentState.FAILED | PaymentState.CANCELLED), UUID() as redemption_id, _):
            redemption.payment_failed(session, redemption_id, clock)
        case PaymentState.SETTLED, _, UUID() as subscription_id:
            subscriptions.settled(session, subscription_id)
        case _:
            pass
    return moved
