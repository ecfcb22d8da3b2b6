"""All SQL of payments, claims and statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.db import Session, WriteSession
from app.rewards.settlement_models import BEFORE, Claim, ClaimState, Entry, Movements, Payment, PaymentState

_PAYMENT = """payment_id, direction, member_id, amount_minor, currency, state, redemption_id, subscription_id,
              instructed_at, changed_at, refund_of"""
_CLAIM = "claim_id, member_id, order_id, line, evidence, state, reason, lot_id, opened_at, decided_at"


def insert_payment(session: WriteSession, payment: Payment) -> None:
    session.run(
        f"INSERT INTO payments ({_PAYMENT}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        list(payment.__dict__.values()),
    )


def update_payment(session: WriteSession, payment: Payment, was: Sequence[PaymentState]) -> int:
    """Rows changed: none where its state was none of those."""
    return session.count(
        "UPDATE payments SET state = %s, changed_at = %s WHERE payment_id = %s AND state = ANY(%s)",
        (payment.state, payment.changed_at, payment.payment_id, list(was)),
    )


def payment(session: Session, payment_id: UUID) -> Payment | None:
    return session.one(Payment, f"SELECT {_PAYMENT} FROM payments WHERE payment_id = %s", (payment_id,))


def unsent_payouts(session: Session, member_id: UUID) -> list[UUID]:
    """Redemptions whose cash back was not sent yet."""
    rows = session.rows(
        """SELECT redemption_id FROM payments
           WHERE member_id = %s AND state = 'instructed' AND redemption_id IS NOT NULL ORDER BY payment_id""",
        (member_id,),
    )
    return [redemption_id for (redemption_id,) in rows]


def lock_payment(session: WriteSession, payment_id: UUID) -> Payment | None:
    return session.one(Payment, f"SELECT {_PAYMENT} FROM payments WHERE payment_id = %s FOR UPDATE", (payment_id,))


def lock_payout(session: WriteSession, redemption_id: UUID) -> Payment | None:
    """The payment of a redemption of cash back."""
    return session.one(
        Payment, f"SELECT {_PAYMENT} FROM payments WHERE redemption_id = %s FOR UPDATE", (redemption_id,)
    )


def open_charges(session: Session, subscription_id: UUID) -> list[Payment]:
    return session.all(
        Payment,
        f"""SELECT {_PAYMENT} FROM payments WHERE subscription_id = %s AND state IN ('instructed', 'sent')
            ORDER BY payment_id""",
        (subscription_id,),
    )


def payments_in_state(session: Session, state: PaymentState, after: UUID | None, limit: int) -> list[Payment]:
    """Oldest first."""
    return session.all(
        Payment,
        f"""SELECT {_PAYMENT} FROM payments WHERE state = %(state)s {"AND payment_id > %(after)s" if after else ""}
            ORDER BY payment_id LIMIT %(limit)s""",
        {"state": state, "after": after, "limit": limit},
    )


def payments_of_member(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Payment]:
    """Newest first."""
    return session.all(
        Payment,
        f"""SELECT {_PAYMENT} FROM payments WHERE member_id = %(member)s {"AND payment_id < %(after)s" if after else ""}
            ORDER BY payment_id DESC LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )


def insert_claim(session: WriteSession, claim: Claim) -> None:
    session.run(
        f"INSERT INTO claims ({_CLAIM}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        list(claim.__dict__.values()),
    )


def update_claim(session: WriteSession, claim: Claim, was: Sequence[ClaimState]) -> int:
    """Rows changed: none where its state was none of those."""
    return session.count(
        """UPDATE claims SET state = %s, reason = %s, lot_id = %s, decided_at = %s
           WHERE claim_id = %s AND state = ANY(%s)""",
        (claim.state, claim.reason, claim.lot_id, claim.decided_at, claim.claim_id, list(was)),
    )


def lock_claim(session: WriteSession, claim_id: UUID) -> Claim | None:
    return session.one(Claim, f"SELECT {_CLAIM} FROM claims WHERE claim_id = %s FOR UPDATE", (claim_id,))


def claims_of_member(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Claim]:
    """Newest first."""
    return session.all(
        Claim,
        f"""SELECT {_CLAIM} FROM claims WHERE member_id = %(member)s {"AND claim_id < %(after)s" if after else ""}
            ORDER BY claim_id DESC LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )


def open_claims(session: Session, after: UUID | None, limit: int) -> list[Claim]:
    """Oldest first."""
    return session.all(
        Claim,
        f"""SELECT {_CLAIM} FROM claims WHERE state = 'open' {"AND claim_id > %(after)s" if after else ""}
            ORDER BY claim_id LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )


def bought(session: Session, member_id: UUID, order_id: UUID, line: int) -> bool:
    """Whether the member has an order with that line."""
    return bool(
        session.value(
            """SELECT EXISTS (SELECT FROM order_lines JOIN orders USING (order_id)
                              WHERE order_id = %s AND line = %s AND member_id = %s)""",
            (order_id, line, member_id),
        )
    )


@dataclass(frozen=True)
class ClaimedLine:
    """`units` are those that did not come back."""

    vendor_id: UUID
    units: int
    matures_on: date
    paid_minor: int
    return_window_days: int


def lock_claimed_line(session: WriteSession, order_id: UUID, line: int) -> ClaimedLine:
    found = session.one(
        ClaimedLine,
        """SELECT vendor_id, units - returned_units AS units, matures_on, paid_minor, return_window_days
           FROM order_lines WHERE order_id = %s AND line = %s FOR UPDATE""",
        (order_id, line),
    )
    assert found is not None  # noqa: S101  a claim is made for a line that is there
    return found


def funding(session: Session, vendor_id: UUID, begin: datetime, end: datetime) -> tuple[int, int, int]:
    """What a vendor owes from before a time, and what was charged and given back from then to another, in points."""
    before, charged, back = session.rows(
        """SELECT coalesce(-sum(points) FILTER (WHERE posted_at < %(begin)s), 0)::bigint,
                  coalesce(-sum(points) FILTER (WHERE posted_at >= %(begin)s AND points < 0), 0)::bigint,
                  coalesce(sum(points) FILTER (WHERE posted_at >= %(begin)s AND points > 0), 0)::bigint
           FROM postings WHERE account = 'vendor_funding' AND owner_id = %(vendor)s AND posted_at < %(end)s""",
        {"vendor": vendor_id, "begin": begin, "end": end},
    )[0]
    return before, charged, back


def movements(session: Session, member_id: UUID, edges: Sequence[datetime], names: Sequence[str]) -> list[Movements]:
    """Each month in which anything moved, and before them what moved earlier.

    `edges` are where the months begin, and where the last one ends; `names` what they are called.
    """
    return session.all(
        Movements,
        """SELECT (%(names)s::text[])[1 + width_bucket(posted_at, %(edges)s::timestamptz[])] AS month,
                  coalesce(sum(points) FILTER (WHERE kind = 'earn'), 0)::bigint AS earned,
                  coalesce(sum(points) FILTER (WHERE kind = 'correction'), 0)::bigint AS corrected,
                  coalesce(sum(points) FILTER (WHERE kind = 'confirm' AND points > 0), 0)::bigint AS confirmed,
                  coalesce(-sum(points) FILTER (WHERE kind IN ('return', 'clawback', 'late_clawback')), 0)::bigint
                      AS returned,
                  coalesce(-sum(points) FILTER (WHERE kind IN ('item', 'checkout', 'cash_back', 'subscription',
                                                               'cancellation')), 0)::bigint AS spent,
                  coalesce(-sum(points) FILTER (WHERE kind = 'expire'), 0)::bigint AS expired,
                  coalesce(sum(points) FILTER (WHERE account = 'member_pending'), 0)::bigint AS pending,
                  coalesce(sum(points) FILTER (WHERE account = 'member_available'), 0)::bigint AS available,
                  coalesce(-sum(points) FILTER (WHERE account = 'member_owed'), 0)::bigint AS owed
           FROM postings
           WHERE owner_id = %(member)s AND account IN ('member_pending', 'member_available', 'member_owed')
             AND posted_at < %(end)s
           GROUP BY 1 ORDER BY 1""",
        {"member": member_id, "end": edges[-1], "edges": list(edges), "names": [BEFORE, *names]},
    )


def entries(session: Session, member_id: UUID, begin: datetime, end: datetime) -> list[Entry]:
    """What a member's points of that time come from and went to, in order.

    What a line earned is what all lots of the line under one rule sum to: returns cut them, and take no point away.
    """
    return session.all(
        Entry,
        """WITH every AS (
               SELECT earned_at AS at, 'earned' AS kind, sum(l.points)::bigint AS points,
                      max(b.units) || ' x ' || max(p.name) || ', ' || (min(l.explanation ->> 'rule')) AS says,
                      l.order_id AS reference
               FROM lots l JOIN order_lines b USING (order_id, line) JOIN products p USING (product_id)
               WHERE member_id = %(member)s GROUP BY l.order_id, l.line, l.rule_id, l.earned_at
               UNION ALL
               SELECT returned_at, 'returned', r.points, r.units || ' x ' || p.name || ' came back: ' || reason,
                      order_id
               FROM orders JOIN returns r USING (order_id) JOIN order_lines b USING (order_id, line)
                    JOIN products p USING (product_id)
               WHERE member_id = %(member)s
               UNION ALL
               SELECT redeemed_at, 'spent', points,
                      CASE r.kind WHEN 'item' THEN name WHEN 'subscription' THEN 'a period of ' || name
                                WHEN 'checkout' THEN 'paid a part of an order' ELSE 'paid out as cash back' END,
                      coalesce(order_id, redemption_id)
               FROM redemptions r LEFT JOIN offers o USING (offer_id)
               WHERE member_id = %(member)s AND r.kind NOT IN ('clawback', 'correction')
               UNION ALL
               SELECT booked_at, 'corrected', points, 'corrected by hand: ' || reason, correction_id
               FROM corrections WHERE member_id = %(member)s AND booked_at IS NOT NULL
               UNION ALL
               SELECT closed_at, 'corrected', closing_points, 'a correction was reversed: ' || closing_reason,
                      correction_id
               FROM corrections WHERE member_id = %(member)s AND closing_points <> 0
               UNION ALL
               SELECT posted_at, tells.kind, sum(abs(points))::bigint, tells.says,
                      CASE tells.kind WHEN 'cancelled' THEN movement_id END
               FROM postings JOIN (VALUES ('confirm', 'confirmed', 'can be spent from then on'),
                                          ('expire', 'expired', 'were past their day'),
                                          ('cancellation', 'cancelled', 'a redemption was taken back'),
                                          ('late_clawback', 'returned', 'had been spent of goods that came back')
                                  ) AS tells (posted, kind, says) ON posted = postings.kind
               WHERE owner_id = %(member)s AND account = 'member_available'
               GROUP BY posted_at, tells.kind, tells.says, 5
           )
           SELECT at, kind, points, says, reference FROM every
           WHERE at >= %(begin)s AND at < %(end)s ORDER BY at, kind, reference, says""",
        {"member": member_id, "begin": begin, "end": end},
    )
