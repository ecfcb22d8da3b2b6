"""SQL for payments."""

from collections.abc import Sequence
from uuid import UUID

from app.db import Session, WriteSession
from app.wallet.payments_models import Payment, PaymentState

_PAYMENT = """payment_id, direction, member_id, amount_minor, currency, state, redemption_id, subscription_id,
              instructed_at, changed_at, refund_of"""


def insert_payment(session: WriteSession, payment: Payment) -> None:
    session.run(
        f"INSERT INTO payments ({_PAYMENT}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        list(payment.__dict__.values()),
    )


def update_payment(session: WriteSession, payment: Payment, expected: Sequence[PaymentState]) -> int:
    """Update a payment if its stored state is in `expected`, and return the number of rows changed: 1 or 0."""
    return session.count(
        "UPDATE payments SET state = %s, changed_at = %s WHERE payment_id = %s AND state = ANY(%s)",
        (payment.state, payment.changed_at, payment.payment_id, list(expected)),
    )


def payment(session: Session, payment_id: UUID) -> Payment | None:
    return session.one(Payment, f"SELECT {_PAYMENT} FROM payments WHERE payment_id = %s", (payment_id,))


def unsent_payouts(session: Session, member_id: UUID) -> list[UUID]:
    """Return the ids of a member's redemptions whose cash back was not sent yet."""
    rows = session.rows(
        """SELECT redemption_id FROM payments
           WHERE member_id = %s AND state = 'instructed' AND redemption_id IS NOT NULL ORDER BY payment_id""",
        (member_id,),
    )
    return [redemption_id for (redemption_id,) in rows]


def lock_payment(session: WriteSession, payment_id: UUID) -> Payment | None:
    return session.one(Payment, f"SELECT {_PAYMENT} FROM payments WHERE payment_id = %s FOR UPDATE", (payment_id,))


def lock_payout(session: WriteSession, redemption_id: UUID) -> Payment | None:
    """Lock and return the payment of a cash-back redemption, if it has one."""
    return session.one(
        Payment, f"SELECT {_PAYMENT} FROM payments WHERE redemption_id = %s FOR UPDATE", (redemption_id,)
    )


def open_charges(session: Session, subscription_id: UUID) -> list[Payment]:
    """Return a subscription's charges that may still be paid."""
    return session.all(
        Payment,
        f"""SELECT {_PAYMENT} FROM payments WHERE subscription_id = %s AND state IN ('instructed', 'sent')
            ORDER BY payment_id""",
        (subscription_id,),
    )


def payments_in_state(session: Session, state: PaymentState, after: UUID | None, limit: int) -> list[Payment]:
    """Return a page of the payments in a state, oldest first; `after` is the previous page's last id."""
    return session.all(
        Payment,
        f"""SELECT {_PAYMENT} FROM payments WHERE state = %(state)s {"AND payment_id > %(after)s" if after else ""}
            ORDER BY payment_id LIMIT %(limit)s""",
        {"state": state, "after": after, "limit": limit},
    )


def payments_of_member(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Payment]:
    """Return a page of a member's payments, newest first; `after` is the previous page's last id."""
    return session.all(
        Payment,
        f"""SELECT {_PAYMENT} FROM payments WHERE member_id = %(member)s {"AND payment_id < %(after)s" if after else ""}
            ORDER BY payment_id DESC LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )
