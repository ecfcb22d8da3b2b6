-- Their planners guess badly at tables that have just changed.
ANALYZE warehouse.fact_sales;
ANALYZE warehouse.fact_returns;
ANALYZE warehouse.dim_member;
ANALYZE warehouse.dim_product;
ANALYZE warehouse.dim_date;
