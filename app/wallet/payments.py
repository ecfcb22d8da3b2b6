"""Payments: incoming charges for subscriptions, outgoing cash back and refunds.

The platform itself moves no money: it stores payment instructions, and a payment provider or an administrator reports
their states.
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

# Repository functions that other packages call.
open_charges = repository.open_charges
unsent_payouts = repository.unsent_payouts
of_state = repository.payments_in_state
of_member = repository.payments_of_member


def pay_out(
    session: WriteSession, member_id: UUID, redemption_id: UUID, amount_minor: int, currency: str, clock: Clock
) -> Payment:
    return _instruct(session, Direction.OUT, member_id, amount_minor, currency, clock, {"redemption_id": redemption_id})


def refund(session: WriteSession, charge: Payment, clock: Clock) -> Payment:
    """Store a payment instruction: refund a settled charge that could not extend a subscription."""
    references = {"refund_of": charge.refund_of or charge.payment_id}
    return _instruct(session, Direction.OUT, charge.member_id, charge.amount_minor, charge.currency, clock, references)


def charge(
    session: WriteSession, member_id: UUID, subscription_id: UUID, amount_minor: int, currency: str, clock: Clock
) -> None:
    """Store a payment instruction: charge a member for a subscription, unless another charge for it is open."""
    if not repository.open_charges(session, subscription_id):
        references = {"subscription_id": subscription_id}
        _instruct(session, Direction.IN, member_id, amount_minor, currency, clock, references)


def cancel_charges(session: WriteSession, subscription_id: UUID, clock: Clock) -> None:
    """Cancel a subscription's charges that were not sent yet; one that was sent may still be paid."""
    for charge in repository.open_charges(session, subscription_id):
        if charge.state is PaymentState.INSTRUCTED:
            _move(session, charge, PaymentEvent.CANCEL, clock)


def payment(session: Session, payment_id: UUID) -> Payment:
    """Return a payment. Raises NotFound if there is none with this id."""
    return _existing(repository.payment(session, payment_id), payment_id)


def move(session: WriteSession, payment_id: UUID, to: PaymentState, clock: Clock) -> Payment:
    """Move a payment to the state `to`. Raises NotFound, and Conflict if its current state does not allow that."""
    payment = _existing(repository.lock_payment(session, payment_id), payment_id)
    return _move(session, payment, LEADS_TO[to], clock)


def cancel_payout(session: WriteSession, redemption_id: UUID, clock: Clock) -> None:
    """Cancel the cash-back payment of a redemption, if it has one. Raises Conflict if the payment was sent already."""
    if payout := repository.lock_payout(session, redemption_id):
        _move(session, payout, PaymentEvent.CANCEL, clock)


def _existing(payment: Payment | None, payment_id: UUID) -> Payment:
    if payment is None:
        raise NotFound(f"there is no payment {payment_id}")
    return payment


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
