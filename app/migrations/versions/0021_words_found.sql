CREATE INDEX CONCURRENTLY IF NOT EXISTS products_by_words ON products USING gin (words) WITH (fastupdate = off);
CREATE INDEX CONCURRENTLY IF NOT EXISTS products_by_folded_brand ON products (folded_brand, price_minor, product_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS categories_by_folded_department ON categories (folded(department));
CREATE INDEX CONCURRENTLY IF NOT EXISTS categories_by_folded_name ON categories (folded(name));
