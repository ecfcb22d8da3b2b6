-- Which price ranges a segment leans to: its share of money there, and that share over everybody's (affinity).
WITH spent AS (
    SELECT s.member_id, r.price_range, sum(s.units) AS units, sum(s.revenue_minor) AS revenue_minor
    FROM warehouse.net_sales s
    JOIN warehouse.product_range r ON r.product_id = s.product_id
    WHERE s.units > 0
    GROUP BY s.member_id, r.price_range
), everybody AS (
    SELECT price_range, sum(revenue_minor) AS revenue_minor, sum(sum(revenue_minor)) OVER () AS everything
    FROM spent
    GROUP BY price_range
), summed AS (
    SELECT m.kind, m.segment, s.price_range, count(*) AS members, sum(s.units) AS units,
           sum(s.revenue_minor) AS revenue_minor,
           sum(sum(s.revenue_minor)) OVER (PARTITION BY m.kind, m.segment) AS everything,
           min(count(*)) OVER (PARTITION BY m.kind, m.segment) AS smallest
    FROM warehouse.membership m
    JOIN spent s ON s.member_id = m.member_id
    GROUP BY m.kind, m.segment, s.price_range
)
SELECT s.kind, s.segment, s.price_range, cast(s.members AS bigint), cast(s.units AS bigint),
       cast(s.revenue_minor AS bigint),
       cast(1.0 * s.revenue_minor / s.everything AS double precision) AS share,
       cast((1.0 * s.revenue_minor / s.everything) / (1.0 * e.revenue_minor / e.everything) AS double precision)
           AS affinity
FROM summed s
JOIN everybody e ON e.price_range = s.price_range
WHERE s.smallest >= :least AND s.everything > 0 AND e.revenue_minor > 0
ORDER BY s.kind, s.segment, s.price_range
