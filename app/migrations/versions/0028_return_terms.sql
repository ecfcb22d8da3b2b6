-- By kind (app/catalog/return_terms.py). NULL: none of its own; of an order line, bought before they were frozen.
ALTER TABLE program ADD COLUMN IF NOT EXISTS return_terms jsonb;
ALTER TABLE categories ADD COLUMN IF NOT EXISTS return_terms jsonb;
ALTER TABLE products ADD COLUMN IF NOT EXISTS return_terms jsonb;
ALTER TABLE order_lines ADD COLUMN IF NOT EXISTS return_terms jsonb;
ALTER TABLE returns ADD COLUMN IF NOT EXISTS reason_code text;
