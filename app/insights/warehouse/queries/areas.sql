-- What each area sold in the last 365 days, by product, brand and vendor, and in all. Cells of fewer than :least members
-- are added up as '(others)' of their area. So are the next smallest, until what is hidden of an area (of a vendor's
-- products in an area) is two cells and :least members or more, and what is hidden of a key over all areas is too: no
-- total less what is shown tells of a few.
WITH sold AS (
    SELECT s.area, s.member_id, s.product_id, s.vendor_id, p.brand, s.units, s.revenue_minor
    FROM warehouse.net_sales s
    JOIN warehouse.dim_product p ON p.product_id = s.product_id
    WHERE s.area IS NOT NULL AND s.business_date > (SELECT max(business_date) - 365 FROM warehouse.fact_sales)
), cells AS (
    SELECT area, 'all' AS kind, 'all' AS above, 'all' AS key, member_id, sum(units) AS units,
           sum(revenue_minor) AS revenue_minor
    FROM sold GROUP BY area, member_id
    UNION ALL
    SELECT area, 'brand' AS kind, 'all' AS above, brand AS key, member_id, sum(units) AS units,
           sum(revenue_minor) AS revenue_minor
    FROM sold GROUP BY area, brand, member_id
    UNION ALL
    SELECT area, 'vendor' AS kind, 'all' AS above, vendor_id AS key, member_id, sum(units) AS units,
           sum(revenue_minor) AS revenue_minor
    FROM sold GROUP BY area, vendor_id, member_id
    UNION ALL
    SELECT area, 'product' AS kind, vendor_id AS above, product_id AS key, member_id, sum(units) AS units,
           sum(revenue_minor) AS revenue_minor
    FROM sold GROUP BY area, vendor_id, product_id, member_id
), ranked AS (
    SELECT area, kind, above, key, member_id, members,
           dense_rank() OVER (PARTITION BY area, kind, above ORDER BY members, key) AS across,
           dense_rank() OVER (PARTITION BY kind, key ORDER BY members, area) AS down
    FROM (
        SELECT area, kind, above, key, member_id,
               count(*) OVER (PARTITION BY area, kind, above, key) AS members
        FROM cells
    ) sized
), placed AS (
    SELECT area, kind, above, key, members, across, down,
           min(across) OVER (PARTITION BY area, kind, above, member_id) AS first_across,
           min(down) OVER (PARTITION BY kind, key, member_id) AS first_down
    FROM ranked
), counted AS (
    -- How many members are met first in each cell, going through the smallest first.
    SELECT area, kind, above, key, members, across, down,
           sum(CASE WHEN first_across = across THEN 1 ELSE 0 END) AS new_across,
           sum(CASE WHEN first_down = down THEN 1 ELSE 0 END) AS new_down
    FROM placed
    GROUP BY area, kind, above, key, members, across, down
), reached AS (
    SELECT area, kind, above, key, members, across, down,
           sum(new_across) OVER (
               PARTITION BY area, kind, above ORDER BY across ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
           ) AS together_across,
           sum(new_down) OVER (
               PARTITION BY kind, key ORDER BY down ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
           ) AS together_down
    FROM counted
), cuts AS (
    SELECT area, kind, above, key, across, down,
           sum(CASE WHEN members < :least THEN 1 ELSE 0 END) OVER (PARTITION BY area, kind, above) AS few_across,
           sum(CASE WHEN together_across < :least THEN 1 ELSE 0 END) OVER (PARTITION BY area, kind, above)
               AS short_across,
           sum(CASE WHEN members < :least THEN 1 ELSE 0 END) OVER (PARTITION BY kind, key) AS few_down,
           sum(CASE WHEN together_down < :least THEN 1 ELSE 0 END) OVER (PARTITION BY kind, key) AS short_down
    FROM reached
), hidden AS (
    SELECT area, kind, key,
           (few_across > 0 AND across <= greatest(few_across, short_across + 1, 2))
           OR (few_down > 0 AND down <= greatest(few_down, short_down + 1, 2)) AS hides
    FROM cuts
), named AS (
    SELECT c.area, c.kind, CASE WHEN h.hides THEN '(others)' ELSE c.key END AS key, c.member_id, c.units,
           c.revenue_minor
    FROM cells c
    JOIN hidden h ON h.area = c.area AND h.kind = c.kind AND h.key = c.key
)
SELECT area, kind, key, cast(count(DISTINCT member_id) AS bigint), cast(sum(units) AS bigint),
       cast(sum(revenue_minor) AS bigint)
FROM named
GROUP BY area, kind, key
HAVING count(DISTINCT member_id) >= :least
ORDER BY area, kind, sum(revenue_minor) DESC, key
