-- Which brands a segment leans to: affinity is its share of units of a brand over everybody's, with a hundred units of
-- everybody's taste mixed in, so that few purchases say little. A brand that fewer than :least of the segment bought is
-- left out; the fifty with most affinity are kept.
WITH bought AS (
    SELECT s.member_id, p.brand, sum(s.units) AS units, sum(s.revenue_minor) AS revenue_minor
    FROM warehouse.net_sales s
    JOIN warehouse.dim_product p ON p.product_id = s.product_id
    WHERE s.units > 0
    GROUP BY s.member_id, p.brand
), everybody AS (
    SELECT brand, sum(units) AS units, sum(sum(units)) OVER () AS everything FROM bought GROUP BY brand
), summed AS (
    SELECT m.kind, m.segment, b.brand, count(*) AS members, sum(b.units) AS units,
           sum(b.revenue_minor) AS revenue_minor,
           sum(sum(b.units)) OVER (PARTITION BY m.kind, m.segment) AS everything
    FROM warehouse.membership m
    JOIN bought b ON b.member_id = m.member_id
    GROUP BY m.kind, m.segment, b.brand
), compared AS (
    SELECT s.kind, s.segment, s.brand, s.members, s.units, s.revenue_minor,
           1.0 * s.units / s.everything AS share,
           (s.units + 100.0 * e.units / e.everything) / (s.everything + 100.0) / (1.0 * e.units / e.everything)
               AS affinity
    FROM summed s
    JOIN everybody e ON e.brand = s.brand
    WHERE s.members >= :least
), placed AS (
    SELECT kind, segment, brand, members, units, revenue_minor, share, affinity,
           row_number() OVER (PARTITION BY kind, segment ORDER BY affinity DESC, brand) AS place
    FROM compared
)
SELECT kind, segment, brand, cast(members AS bigint), cast(units AS bigint), cast(revenue_minor AS bigint),
       cast(share AS double precision), cast(affinity AS double precision)
FROM placed
WHERE place <= 50
ORDER BY kind, segment, place
