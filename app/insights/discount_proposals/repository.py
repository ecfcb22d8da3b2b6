"""SQL over hourly sales that finds candidates for discounts and measures the effect of past discounts."""

from datetime import datetime
from uuid import UUID

from app.db import Session
from app.insights.discount_proposals.models import Candidate, Effect


def candidates(session: Session, hour: datetime, now: datetime) -> list[Candidate]:
    """Return products that sold less than 80 % of their usual units in the last day, largest loss of revenue first."""
    return session.all(
        Candidate,
        """WITH sold AS (
               SELECT h.product_id, sum(units)::float8 / 28 AS daily,
                      coalesce(sum(units) FILTER (WHERE h.hour >= %(now)s - interval '24 hours'), 0)::float8 AS lately,
                      coalesce(sum(units) FILTER (WHERE extract(hour FROM h.hour AT TIME ZONE 'UTC')
                                                      = extract(hour FROM %(hour)s AT TIME ZONE 'UTC')), 0)::float8 / 28
                          AS expected
               FROM hourly_sales h JOIN discounts_allowed USING (product_id)
               WHERE h.hour >= %(now)s - interval '28 days' AND h.hour < %(now)s GROUP BY 1 HAVING sum(units) >= 28
           )
           SELECT p.vendor_id, p.product_id, p.price_minor AS list_minor, t.floor_minor, sold.expected, t.mode,
                  t.percent, t.most_products, t.budget_minor
           FROM sold JOIN discounts_allowed t USING (product_id) JOIN catalogue p USING (product_id)
           JOIN sellers v ON v.vendor_id = p.vendor_id
           WHERE v.state = 'active' AND p.active AND p.on_hand > 0
             AND t.floor_minor < p.price_minor AND sold.lately < 0.8 * sold.daily
             AND NOT EXISTS (SELECT FROM discounts_by_hour d WHERE d.product_id = p.product_id AND d.hour = %(hour)s)
           ORDER BY (sold.daily - sold.lately) * p.price_minor DESC, p.product_id""",
        {"hour": hour, "now": now},
    )


def effect(session: Session, vendor_id: UUID | None) -> Effect:
    """Return units sold and expected of discounted products and of the control group, for one vendor or all (None).

    Counts only hours whose sales counts are final.
    """
    totals = session.one(
        Effect,
        """WITH over AS (
               SELECT d.state, d.expected, coalesce(h.units, 0) AS units, d.list_minor - d.price_minor AS off_minor
               FROM discounts_by_hour d JOIN sales_windows w ON w.hour = d.hour AND w.version = 1 AND w.final
               LEFT JOIN hourly_sales h ON h.hour = d.hour AND h.product_id = d.product_id
               WHERE d.state IN ('approved', 'control') AND (%(vendor)s::uuid IS NULL OR d.vendor_id = %(vendor)s)
           )
           SELECT count(*) FILTER (WHERE state = 'approved') AS discounts,
                  coalesce(sum(units) FILTER (WHERE state = 'approved'), 0)::bigint AS sold,
                  coalesce(sum(expected) FILTER (WHERE state = 'approved'), 0) AS expected,
                  coalesce(sum(units * off_minor) FILTER (WHERE state = 'approved'), 0)::bigint AS given_minor,
                  count(*) FILTER (WHERE state = 'control') AS controls,
                  coalesce(sum(units) FILTER (WHERE state = 'control'), 0)::bigint AS control_sold,
                  coalesce(sum(expected) FILTER (WHERE state = 'control'), 0) AS control_expected
           FROM over""",
        {"vendor": vendor_id},
    )
    assert totals is not None  # noqa: S101  an aggregate has a row
    return totals
