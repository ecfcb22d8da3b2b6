-- What sold in each year: everything, and by department, brand and vendor; what came back counts against the day of the
-- purchase. Cells of fewer than :least members are added up as '(others)', with the smallest other ones until those are
-- :least members too, so that no total tells what a cell hides.
WITH keyed AS (
    SELECT d.year, 'all' AS kind, 'all' AS key, s.member_id, s.sold_units, s.units, s.revenue_minor
    FROM warehouse.net_sales s
    JOIN warehouse.dim_date d ON d.business_date = s.business_date
    UNION ALL
    SELECT d.year, 'department' AS kind, p.department AS key, s.member_id, s.sold_units, s.units, s.revenue_minor
    FROM warehouse.net_sales s
    JOIN warehouse.dim_date d ON d.business_date = s.business_date
    JOIN warehouse.dim_product p ON p.product_id = s.product_id
    UNION ALL
    SELECT d.year, 'brand' AS kind, p.brand AS key, s.member_id, s.sold_units, s.units, s.revenue_minor
    FROM warehouse.net_sales s
    JOIN warehouse.dim_date d ON d.business_date = s.business_date
    JOIN warehouse.dim_product p ON p.product_id = s.product_id
    UNION ALL
    SELECT d.year, 'vendor' AS kind, s.vendor_id AS key, s.member_id, s.sold_units, s.units, s.revenue_minor
    FROM warehouse.net_sales s
    JOIN warehouse.dim_date d ON d.business_date = s.business_date
), cells AS (
    SELECT year, kind, key, member_id, sum(sold_units) AS sold_units,
           sum(units) AS units, sum(revenue_minor) AS revenue_minor
    FROM keyed
    GROUP BY year, kind, key, member_id
), ranked AS (
    SELECT year, kind, key, members, row_number() OVER (PARTITION BY year, kind ORDER BY members, key) AS place
    FROM (SELECT year, kind, key, count(*) AS members FROM cells GROUP BY year, kind, key) counted
), first_seen AS (
    -- A member is new to the smallest cells at the first of them; so many members do the first n cells have.
    SELECT c.year, c.kind, c.member_id, min(r.place) AS place
    FROM cells c
    JOIN ranked r ON r.year = c.year AND r.kind = c.kind AND r.key = c.key
    GROUP BY c.year, c.kind, c.member_id
), reached AS (
    SELECT r.year, r.kind, r.key, r.members, r.place, sum(coalesce(n.new, 0)) OVER (
               PARTITION BY r.year, r.kind ORDER BY r.place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
           ) AS together
    FROM ranked r
    LEFT JOIN (SELECT year, kind, place, count(*) AS new FROM first_seen GROUP BY year, kind, place) n
        ON n.year = r.year AND n.kind = r.kind AND n.place = r.place
), hidden AS (
    SELECT year, kind,
           CASE
               WHEN sum(CASE WHEN members < :least THEN 1 ELSE 0 END) = 0 THEN 0
               ELSE greatest(sum(CASE WHEN members < :least THEN 1 ELSE 0 END),
                             1 + sum(CASE WHEN together < :least THEN 1 ELSE 0 END), 2)
           END AS cells
    FROM reached
    GROUP BY year, kind
), named AS (
    SELECT c.year, c.kind, CASE WHEN r.place <= h.cells THEN '(others)' ELSE c.key END AS key, c.member_id, c.sold_units, c.units, c.revenue_minor
    FROM cells c
    JOIN ranked r ON r.year = c.year AND r.kind = c.kind AND r.key = c.key
    JOIN hidden h ON h.year = c.year AND h.kind = c.kind
)
SELECT year, kind, key, cast(count(DISTINCT member_id) AS bigint), cast(sum(sold_units) AS bigint),
       cast(sum(units) AS bigint), cast(sum(revenue_minor) AS bigint)
FROM named
GROUP BY year, kind, key
HAVING count(DISTINCT member_id) >= :least
ORDER BY year, kind, sum(revenue_minor) DESC, key
