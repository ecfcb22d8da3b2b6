CREATE TABLE categories (
    category_id         uuid PRIMARY KEY,
    department          text NOT NULL,
    name                text NOT NULL,
    return_window_days  integer CHECK (return_window_days BETWEEN 0 AND 365),
    UNIQUE (department, name)
);

CREATE TABLE products (
    product_id          uuid PRIMARY KEY,
    vendor_id           uuid NOT NULL REFERENCES vendors,
    sku                 text NOT NULL,
    name                text COLLATE "C" NOT NULL,  -- pages by name are cut alike on every system
    brand               text NOT NULL,
    category_id         uuid NOT NULL REFERENCES categories,
    description         text NOT NULL DEFAULT '',
    price_minor         bigint NOT NULL CHECK (price_minor >= 0),
    currency            char(3) NOT NULL,
    return_window_days  integer CHECK (return_window_days BETWEEN 0 AND 365),
    active              boolean NOT NULL DEFAULT true,
    changed_at          timestamptz NOT NULL,
    search              tsvector NOT NULL GENERATED ALWAYS AS (
                            setweight(to_tsvector('english', name), 'A')
                            || setweight(to_tsvector('simple', brand), 'B')
                            || setweight(to_tsvector('english', brand), 'B')
                            || setweight(to_tsvector('english', description), 'C')) STORED,
    UNIQUE (vendor_id, sku)
);
CREATE INDEX products_by_search ON products USING gin (search) WITH (fastupdate = off);
CREATE INDEX products_by_category ON products (category_id, name, product_id);
CREATE INDEX products_by_brand ON products (brand, price_minor, product_id);
CREATE INDEX products_by_price ON products (price_minor, product_id);
CREATE INDEX products_by_name ON products (name, product_id);

-- Apart from products, so that a sale rewrites a small row and no index.
CREATE TABLE product_stock (
    product_id  uuid PRIMARY KEY REFERENCES products,
    on_hand     bigint NOT NULL CONSTRAINT stock_is_never_negative CHECK (on_hand >= 0)
) WITH (fillfactor = 60);
