ALTER TABLE hourly_sales ADD COLUMN IF NOT EXISTS returned_units bigint NOT NULL DEFAULT 0;
ALTER TABLE hourly_area_sales ADD COLUMN IF NOT EXISTS returned_units bigint NOT NULL DEFAULT 0;
-- Of baskets that came before: none.
ALTER TABLE stream_baskets ADD COLUMN IF NOT EXISTS order_id uuid;
