-- Seasonal index: units a day in a month or ISO week, over units a day of all days from the first sale to the last. 1 is
-- a day like any other. A calendar month in which nothing at all sold is no season but a closed shop: it is left out.
-- Sparse ones lean on what they belong to: fifty units that follow the department (of a product) or the whole
-- (of a brand or department) are mixed in. What sold fewer than :units in all is left out.
WITH span AS (
    SELECT min(business_date) AS first_day, max(business_date) AS last_day FROM warehouse.fact_sales
), opened AS (
    SELECT DISTINCT d.year, d.month
    FROM warehouse.fact_sales s
    JOIN warehouse.dim_date d ON d.business_date = s.business_date
), days AS (
    SELECT d.business_date, d.month, d.week
    FROM warehouse.dim_date d
    JOIN opened o ON o.year = d.year AND o.month = d.month
    JOIN span ON d.business_date >= span.first_day AND d.business_date <= span.last_day
), periods AS (
    SELECT 'month' AS grain, month AS period, count(*) AS days FROM days GROUP BY month
    UNION ALL
    SELECT 'week' AS grain, week AS period, count(*) AS days FROM days GROUP BY week
), length AS (
    SELECT count(*) AS days FROM days
), daily AS (
    SELECT s.product_id, p.brand, p.department, d.month, d.week, sum(s.units) AS units
    FROM warehouse.net_sales s
    JOIN days d ON d.business_date = s.business_date
    JOIN warehouse.dim_product p ON p.product_id = s.product_id
    WHERE s.units > 0
    GROUP BY s.product_id, p.brand, p.department, d.month, d.week
), grained AS (
    SELECT 'month' AS grain, month AS period, product_id, brand, department, sum(units) AS units
    FROM daily GROUP BY month, product_id, brand, department
    UNION ALL
    SELECT 'week' AS grain, week AS period, product_id, brand, department, sum(units) AS units
    FROM daily GROUP BY week, product_id, brand, department
), keyed AS (
    SELECT grain, period, 'all' AS kind, 'all' AS key, 'all' AS above, sum(units) AS units
    FROM grained GROUP BY grain, period
    UNION ALL
    SELECT grain, period, 'department' AS kind, department AS key, 'all' AS above, sum(units) AS units
    FROM grained GROUP BY grain, period, department
    UNION ALL
    SELECT grain, period, 'brand' AS kind, brand AS key, 'all' AS above, sum(units) AS units
    FROM grained GROUP BY grain, period, brand
    UNION ALL
    SELECT grain, period, 'product' AS kind, product_id AS key, department AS above, units
    FROM grained
    WHERE grain = 'month'
), totals AS (
    SELECT grain, kind, key, above, sum(units) AS units FROM keyed GROUP BY grain, kind, key, above
), expected AS (
    -- Every key in every period: one in which nothing sold counts too.
    SELECT t.grain, t.kind, t.key, t.above, p.period, coalesce(k.units, 0) AS units, t.units AS total,
           1.0 * t.units * p.days / l.days AS even
    FROM totals t
    JOIN periods p ON p.grain = t.grain
    CROSS JOIN length l
    LEFT JOIN keyed k ON k.grain = t.grain AND k.kind = t.kind AND k.key = t.key AND k.period = p.period
    WHERE t.units >= :units OR t.kind = 'all' OR t.kind = 'department'
), plain AS (
    SELECT grain, kind, key, above, period, units, total, even, units / even AS season FROM expected
), departments AS (
    SELECT d.grain, d.key, d.period,
           (d.units + 50.0 * d.even / d.total * a.season) / (d.even + 50.0 * d.even / d.total) AS season
    FROM plain d
    JOIN plain a ON a.kind = 'all' AND a.grain = d.grain AND a.period = d.period
    WHERE d.kind = 'department'
), smoothed AS (
    SELECT x.grain, x.kind, x.key, x.period, x.units, x.total,
           CASE
               WHEN x.kind = 'all' THEN x.season
               WHEN x.kind = 'product'
                   THEN (x.units + 50.0 * x.even / x.total * d.season) / (x.even + 50.0 * x.even / x.total)
               ELSE (x.units + 50.0 * x.even / x.total * a.season) / (x.even + 50.0 * x.even / x.total)
           END AS season
    FROM plain x
    LEFT JOIN plain a ON a.kind = 'all' AND a.grain = x.grain AND a.period = x.period
    LEFT JOIN departments d ON x.kind = 'product' AND d.grain = x.grain AND d.key = x.above AND d.period = x.period
)
SELECT kind, key, grain, cast(period AS integer), cast(units AS bigint),
       cast(season AS double precision) AS season_index
FROM smoothed
WHERE total >= :units
ORDER BY kind, key, grain, period
