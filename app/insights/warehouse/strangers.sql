-- Lines that a join with what describes them would lose, and their money with them.
SELECT count(*)
FROM warehouse.fact_sales s
LEFT JOIN warehouse.dim_product p ON p.product_id = s.product_id
LEFT JOIN warehouse.dim_vendor v ON v.vendor_id = s.vendor_id
LEFT JOIN warehouse.dim_member m ON m.member_id = s.member_id
LEFT JOIN warehouse.dim_date d ON d.business_date = s.business_date
WHERE p.product_id IS NULL OR v.vendor_id IS NULL OR m.member_id IS NULL OR d.business_date IS NULL
