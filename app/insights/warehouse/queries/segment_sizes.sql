-- How many members each segment has, and what they are worth. Segments of fewer members than :least are left out, and
-- with them the smallest other of their kind where they alone could be told from the kind's total.
WITH worth AS (
    SELECT member_id, count(DISTINCT order_id) AS orders, sum(revenue_minor) AS revenue_minor
    FROM warehouse.net_sales
    WHERE units > 0
    GROUP BY member_id
), sized AS (
    SELECT m.kind, m.segment, count(*) AS members, sum(w.orders) AS orders, sum(w.revenue_minor) AS revenue_minor
    FROM warehouse.membership m
    JOIN worth w ON w.member_id = m.member_id
    GROUP BY m.kind, m.segment
), ranked AS (
    SELECT kind, segment, members, orders, revenue_minor,
           sum(members) OVER (
               PARTITION BY kind ORDER BY members, segment ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS smaller,
           min(members) OVER (PARTITION BY kind) AS smallest
    FROM sized
)
SELECT kind, segment, cast(members AS bigint), cast(orders AS bigint), cast(revenue_minor AS bigint)
FROM ranked
WHERE members >= :least AND (smallest >= :least OR coalesce(smaller, 0) >= :least)
ORDER BY kind, members DESC, segment
