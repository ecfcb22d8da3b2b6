"""Instructions to pay: cash back that goes out to a member, and charges for a subscription that come in.

The platform moves no money itself. It says what is to be paid, and a provider, or a person, says what became of it.
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from app import ledger
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import Conflict, NotFound
from app.ids import new_id
from app.rewards import settlement_repository as repository
from app.rewards.settlement_models import Direction, Payment, PaymentState

NEXT: Mapping[PaymentState, tuple[PaymentState, ...]] = {
    PaymentState.INSTRUCTED: (PaymentState.SENT, PaymentState.SETTLED, PaymentState.FAILED, PaymentState.CANCELLED),
    PaymentState.SENT: (PaymentState.SETTLED, PaymentState.FAILED),
}
"""What may follow; the others are final."""


def pay_out(
    session: WriteSession, member_id: UUID, redemption_id: UUID, amount_minor: int, currency: str, clock: Clock
) -> Payment:
    now, instructed = clock.now(), PaymentState.INSTRUCTED
    return _insert(
        session,
        Payment(new_id(), Direction.OUT, member_id, amount_minor, currency, instructed, redemption_id, None, now, now),
    )


def charge(
    session: WriteSession, member_id: UUID, subscription_id: UUID, amount_minor: int, currency: str, clock: Clock
) -> None:
    """Unless one for this subscription is open already."""
    if repository.open_charges(session, subscription_id):
        return
    now, instructed = clock.now(), PaymentState.INSTRUCTED
    _insert(
        session,
        Payment(new_id(), Direction.IN, member_id, amount_minor, currency, instructed, None, subscription_id, now, now),
    )


def cancel_charges(session: WriteSession, subscription_id: UUID, clock: Clock) -> None:
    """Those that were not sent yet; one that was sent may still be paid."""
    for found in repository.open_charges(session, subscription_id):
        if found.state is PaymentState.INSTRUCTED:
            _become(session, found, PaymentState.CANCELLED, clock)


def move(session: WriteSession, payment_id: UUID, to: PaymentState, clock: Clock) -> Payment:
    """Raises NotFound, and Conflict where that may not follow."""
    found = repository.lock_payment(session, payment_id)
    if found is None:
        raise NotFound(f"there is no payment {payment_id}")
    if to not in NEXT.get(found.state, ()):
        raise Conflict(f"the payment is {found.state}: it can't become {to}")
    return _become(session, found, to, clock)


def cancel_payout(session: WriteSession, redemption_id: UUID, clock: Clock) -> None:
    """Raises Conflict where it is on its way already. Nothing happens for a redemption that pays no money."""
    found = repository.lock_payout(session, redemption_id)
    if found is None:
        return
    if found.state is not PaymentState.INSTRUCTED:
        raise Conflict(f"the payment is {found.state} already")
    _become(session, found, PaymentState.CANCELLED, clock)


def of_state(session: Session, state: PaymentState, after: UUID | None, limit: int) -> list[Payment]:
    """Oldest first."""
    return repository.payments_in_state(session, state, after, limit)


def of_member(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Payment]:
    """Newest first."""
    return repository.payments_of_member(session, member_id, after, limit)


def _insert(session: WriteSession, payment: Payment) -> Payment:
    repository.insert_payment(session, payment)
    ledger.append(session, "payments", payment.payment_id, payment)
    return payment


def _become(session: WriteSession, found: Payment, state: PaymentState, clock: Clock) -> Payment:
    changed = replace(found, state=state, changed_at=clock.now())
    repository.update_payment(session, changed)
    ledger.append(session, "payments", changed.payment_id, changed)
    return changed
