-- RFM, cost volume, variety, price range and brand of each member who kept anything. Fifths and thirds are by rank, in
-- whole numbers, so that members who are alike are placed alike. Recency is the last day of a purchase that was kept.
INSERT INTO warehouse.member_profile (member_id, rfm, volume, variety, price_range, brand)
WITH bought AS (
    SELECT s.member_id, s.order_id, s.business_date, s.units, s.revenue_minor, p.category, p.brand, r.price_range
    FROM warehouse.net_sales s
    JOIN warehouse.dim_product p ON p.product_id = s.product_id
    JOIN warehouse.product_range r ON r.product_id = s.product_id
    WHERE s.units > 0
), summed AS (
    SELECT member_id, max(business_date) AS last_day, count(DISTINCT order_id) AS orders,
           cast(sum(revenue_minor) AS bigint) AS spent, count(DISTINCT category) AS categories
    FROM bought
    GROUP BY member_id
), scored AS (
    SELECT member_id,
           1 + 5 * (rank() OVER (ORDER BY last_day) - 1) / count(*) OVER () AS r,
           1 + 5 * (rank() OVER (ORDER BY orders) - 1) / count(*) OVER () AS f,
           1 + 5 * (rank() OVER (ORDER BY spent) - 1) / count(*) OVER () AS m,
           1 + 3 * (rank() OVER (ORDER BY spent) - 1) / count(*) OVER () AS volume,
           1 + 3 * (rank() OVER (ORDER BY categories) - 1) / count(*) OVER () AS variety
    FROM summed
), by_range AS (
    -- What share of their money members give a range, against the share that all members give it.
    SELECT member_id, price_range, cast(sum(revenue_minor) AS double precision) AS revenue
    FROM bought
    GROUP BY member_id, price_range
), leaning AS (
    SELECT b.member_id, b.price_range,
           row_number() OVER (
               PARTITION BY b.member_id ORDER BY b.revenue / t.revenue DESC, b.price_range
           ) AS place
    FROM by_range b
    JOIN (SELECT price_range, sum(revenue) AS revenue FROM by_range GROUP BY price_range) t
        ON t.price_range = b.price_range
    WHERE t.revenue > 0
), favourite AS (
    -- Ten units of everybody's taste are mixed in, so that one purchase makes no favourite.
    SELECT o.member_id, o.brand,
           row_number() OVER (
               PARTITION BY o.member_id
               ORDER BY (o.units + 10.0 * a.units / a.everything) / (o.everything + 10.0)
                        / (1.0 * a.units / a.everything) DESC, o.brand
           ) AS place
    FROM (
        SELECT member_id, brand, sum(units) AS units, sum(sum(units)) OVER (PARTITION BY member_id) AS everything
        FROM bought
        GROUP BY member_id, brand
    ) o
    JOIN (
        SELECT brand, sum(units) AS units, sum(sum(units)) OVER () AS everything
        FROM bought
        GROUP BY brand
    ) a ON a.brand = o.brand
)
SELECT s.member_id,
       CASE
           WHEN s.r >= 4 AND s.f + s.m >= 8 THEN 'champions'
           WHEN s.r >= 3 AND s.f + s.m >= 6 THEN 'loyal'
           WHEN s.r >= 4 AND s.f + s.m <= 4 THEN 'new'
           WHEN s.r <= 2 AND s.f + s.m >= 6 THEN 'at risk'
           WHEN s.r <= 2 THEN 'sleeping'
           ELSE 'occasional'
       END,
       CASE s.volume WHEN 1 THEN 'low' WHEN 2 THEN 'middle' ELSE 'high' END,
       CASE s.variety WHEN 1 THEN 'narrow' WHEN 2 THEN 'middle' ELSE 'wide' END,
       coalesce(l.price_range, 'middle'),
       f.brand
FROM scored s
LEFT JOIN leaning l ON l.member_id = s.member_id AND l.place = 1
LEFT JOIN favourite f ON f.member_id = s.member_id AND f.place = 1
