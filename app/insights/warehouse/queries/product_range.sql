-- Economic brand or brand image: where a product's mean unit price stands among those of its category, in thirds.
-- Ties stand together; a category's only product is in the middle.
INSERT INTO warehouse.product_range (product_id, price_range)
SELECT product_id,
       CASE
           WHEN products < 3 THEN 'middle'
           WHEN 3 * (place - 1) < products THEN 'economic'
           WHEN 3 * (place - 1) < 2 * products THEN 'middle'
           ELSE 'image'
       END
FROM (
    SELECT priced.product_id,
           rank() OVER (PARTITION BY priced.department, priced.category ORDER BY priced.unit_price) AS place,
           count(*) OVER (PARTITION BY priced.department, priced.category) AS products
    FROM (
        SELECT p.product_id, p.department, p.category,
               cast(sum(s.sold_minor) AS bigint) * 1000 / cast(sum(s.sold_units) AS bigint) AS unit_price
        FROM warehouse.net_sales s
        JOIN warehouse.dim_product p ON p.product_id = s.product_id
        GROUP BY p.product_id, p.department, p.category
    ) priced
) placed
