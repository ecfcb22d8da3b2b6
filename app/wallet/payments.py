"""Payment instructions: charges for subscriptions come in; cash back and refunds go out.

The platform moves no money. It instructs payments; a payment provider or an administrator reports their states.
"""

from dataclasses import replace
from uuid import UUID

from app import ledger
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import NotFound
from app.ids import new_id
from app.wallet import payments_repository as repository
from app.wallet.payments_models import Direction, Payment, PaymentState
from app.wallet.states import CHARGE, LEADS_TO, PAYMENT, PaymentEvent


def pay_out(
    session: WriteSession, member_id: UUID, redemption_id: UUID, amount_minor: int, currency: str, clock: Clock
) -> Payment:
    return _instruct(session, Direction.OUT, member_id, amount_minor, currency, clock, {"redemption_id": redemption_id})


def refund(session: WriteSession, charge: Payment, clock: Clock) -> Payment:
    """Instruct the refund of a charge that buys nothing."""
    references = {"refund_of": charge.refund_of or charge.payment_id}
    return _instruct(session, Direction.OUT, charge.member_id, charge.amount_minor, charge.currency, clock, references)


def charge(
    session: WriteSession, member_id: UUID, subscription_id: UUID, amount_minor: int, currency: str, clock: Clock
) -> None:
    """Instruct a charge, unless one for this subscription is open."""
    if not repository.open_charges(session, subscription_id):
        references = {"subscription_id": subscription_id}
        _instruct(session, Direction.IN, member_id, amount_minor, currency, clock, references)


def open_charges(session: Session, subscription_id: UUID) -> list[Payment]:
    """Return the charges that may still be paid."""
    return repository.open_charges(session, subscription_id)


def cancel_charges(session: WriteSession, subscription_id: UUID, clock: Clock) -> None:
    """Cancel charges that were not sent yet; a charge that was sent may still be paid."""
    for charge in repository.open_charges(session, subscription_id):
        if charge.state is PaymentState.INSTRUCTED:
            _move(session, charge, PaymentEvent.CANCEL, clock)


def payment(session: Session, payment_id: UUID) -> Payment:
    """Return a payment. Raises NotFound."""
    payment = repository.payment(session, payment_id)
    if payment is None:
        raise NotFound(f"there is no payment {payment_id}")
    return payment


def move(session: WriteSession, payment_id: UUID, to: PaymentState, clock: Clock) -> Payment:
    """Change a payment's state. Raises NotFound, and Conflict if the transition is not allowed."""
    payment = repository.lock_payment(session, payment_id)
    if payment is None:
        raise NotFound(f"there is no payment {payment_id}")
    return _move(session, payment, LEADS_TO[to], clock)


def cancel_payout(session: WriteSession, redemption_id: UUID, clock: Clock) -> None:
    """Cancel the payment of cash back, if the redemption has one. Raises Conflict if it was sent already."""
    payout = repository.lock_payout(session, redemption_id)
    if payout:
        _move(session, payout, PaymentEvent.CANCEL, clock)


def unsent_payouts(session: Session, member_id: UUID) -> list[UUID]:
    """Return redemptions whose cash back was not sent yet."""
    return repository.unsent_payouts(session, member_id)


def of_state(session: Session, state: PaymentState, after: UUID | None, limit: int) -> list[Payment]:
    """Return payments in a state, oldest first."""
    return repository.payments_in_state(session, state, after, limit)


def of_member(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Payment]:
    """Return a member's payments, newest first."""
    return repository.payments_of_member(session, member_id, after, limit)


def _instruct(
    session: WriteSession,
    direction: Direction,
    member_id: UUID,
    amount_minor: int,
    currency: str,
    clock: Clock,
    references: dict[str, UUID],
) -> Payment:
    now = clock.now()
    payment = Payment(
        *(new_id(), direction, member_id, amount_minor, currency, PaymentState.INSTRUCTED),
        redemption_id=references.get("redemption_id"),
        subscription_id=references.get("subscription_id"),
        instructed_at=now,
        changed_at=now,
        refund_of=references.get("refund_of"),
    )
    repository.insert_payment(session, payment)
    ledger.append(session, "payments", payment.payment_id, payment)
    return payment


def _move(session: WriteSession, payment: Payment, event: PaymentEvent, clock: Clock) -> Payment:
    machine = CHARGE if payment.direction is Direction.IN else PAYMENT
    state = machine.move(payment.state, event)
    moved = replace(payment, state=state, changed_at=clock.now())
    machine.must_move(repository.update_payment(session, moved, machine.was(event, state)))
    ledger.append(session, "payments", moved.payment_id, moved)
    return moved
