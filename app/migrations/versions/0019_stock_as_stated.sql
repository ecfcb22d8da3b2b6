ALTER TABLE product_stock ADD COLUMN IF NOT EXISTS stated bigint;
ALTER TABLE product_stock ADD COLUMN IF NOT EXISTS left_then bigint;
COMMENT ON COLUMN product_stock.stated IS 'what the vendor last said there is';
COMMENT ON COLUMN product_stock.left_then IS 'on_hand as that statement left it: what it has less since was ordered';
CREATE INDEX CONCURRENTLY IF NOT EXISTS products_by_folded_sku ON products (vendor_id, lower(btrim(sku)));
-- Orders come in the order of their time, so a few bytes for each hundred pages find those since a moment.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_by_time ON orders USING brin (placed_at);
CREATE OR REPLACE VIEW ordered_units AS
    SELECT o.placed_at, l.vendor_id, l.product_id, l.units FROM orders o JOIN order_lines l USING (order_id);
