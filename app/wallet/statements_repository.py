"""SQL that sums and lists postings for the statements of members and vendors."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.db import Session
from app.wallet.movements import BEFORE, Entry, Movements


def funding(session: Session, vendor_id: UUID, begin: datetime, end: datetime) -> tuple[int, int, int]:
    """Return three sums of points: a vendor's debt before `begin`, its charges and its credits in [begin, end)."""
    before, charged, back = session.rows(
        """SELECT coalesce(-sum(points) FILTER (WHERE posted_at < %(begin)s), 0)::bigint,
                  coalesce(-sum(points) FILTER (WHERE posted_at >= %(begin)s AND points < 0), 0)::bigint,
                  coalesce(sum(points) FILTER (WHERE posted_at >= %(begin)s AND points > 0), 0)::bigint
           FROM postings WHERE account = 'vendor_funding' AND owner_id = %(vendor)s AND posted_at < %(end)s""",
        {"vendor": vendor_id, "begin": begin, "end": end},
    )[0]
    return before, charged, back


def movements(session: Session, member_id: UUID, edges: Sequence[datetime], names: Sequence[str]) -> list[Movements]:
    """Return a member's movements summed by month; months without any are left out.

    `edges` are the beginnings of the months and the end of the last one; `names` are the months' names. One more sum,
    with the name BEFORE, has all earlier movements.
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
    """Return the entries (points earned, spent …) of a member's statement at times in [begin, end), oldest first.

    Points that one rule gave for one order line are one entry, even if returns split their lot into several.
    """
    return session.all(
        Entry,
        """WITH every AS (
               SELECT earned_at AS at, 'earned' AS kind, sum(l.points)::bigint AS points,
                      max(b.units) || ' x ' || max(p.name) || ', ' || (min(l.explanation ->> 'rule')) AS says,
                      l.order_id AS reference
               FROM lots l JOIN sold_lines b USING (order_id, line) JOIN catalogue p USING (product_id)
               WHERE l.member_id = %(member)s GROUP BY l.order_id, l.line, l.rule_id, l.earned_at
               UNION ALL
               SELECT returned_at, 'returned', r.points, r.units || ' x ' || p.name || ' came back: ' || reason,
                      order_id
               FROM units_returned r JOIN catalogue p USING (product_id)
               WHERE member_id = %(member)s
               UNION ALL
               SELECT redeemed_at, 'spent', points,
                      CASE r.kind WHEN 'item' THEN name WHEN 'subscription' THEN 'a period of ' || name
                                WHEN 'checkout' THEN 'paid a part of an order' ELSE 'paid out as cash back' END,
                      coalesce(order_id, redemption_id)
               FROM redemptions r LEFT JOIN offer_names USING (offer_id)
               WHERE member_id = %(member)s AND r.kind NOT IN ('clawback', 'correction')
               UNION ALL
               SELECT booked_at, 'corrected', points, 'corrected by hand: ' || reason, correction_id
               FROM booked_corrections WHERE member_id = %(member)s
               UNION ALL
               SELECT closed_at, 'corrected', closing_points, 'a correction was reversed: ' || closing_reason,
                      correction_id
               FROM booked_corrections WHERE member_id = %(member)s AND closing_points <> 0
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
