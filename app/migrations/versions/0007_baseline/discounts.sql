CREATE TABLE discount_terms (
    vendor_id      uuid PRIMARY KEY REFERENCES vendors,
    mode           text NOT NULL CHECK (mode IN ('off', 'ask', 'auto')),
    percent        integer NOT NULL CHECK (percent BETWEEN 1 AND 90),
    most_products  integer NOT NULL CHECK (most_products BETWEEN 1 AND 1000),
    budget_minor   bigint NOT NULL CHECK (budget_minor >= 0)   -- an hour
);

CREATE TABLE price_floors (
    product_id   uuid PRIMARY KEY REFERENCES products,
    floor_minor  bigint NOT NULL CHECK (floor_minor >= 0)
);

CREATE TABLE discount_switch (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    stopped   boolean NOT NULL
);
INSERT INTO discount_switch (stopped) VALUES (false);

CREATE TABLE hourly_discounts (
    discount_id  uuid PRIMARY KEY,
    vendor_id    uuid NOT NULL,
    product_id   uuid NOT NULL REFERENCES products,
    hour         timestamptz NOT NULL,
    list_minor   bigint NOT NULL,
    price_minor  bigint NOT NULL CHECK (price_minor BETWEEN 0 AND list_minor),
    expected     double precision NOT NULL,
    state        text NOT NULL CHECK (state IN ('proposed', 'approved', 'declined', 'control', 'stopped')),
    UNIQUE (hour, product_id)
);
CREATE INDEX hourly_discounts_by_vendor ON hourly_discounts (vendor_id, hour);
CREATE TRIGGER moves AFTER INSERT OR UPDATE OR DELETE ON hourly_discounts
    FOR EACH STATEMENT EXECUTE FUNCTION program_moves();

CREATE TABLE discount_budgets (
    vendor_id   uuid NOT NULL,
    hour        timestamptz NOT NULL,
    left_minor  bigint NOT NULL CONSTRAINT discounts_within_budget CHECK (left_minor >= 0),
    PRIMARY KEY (vendor_id, hour)
);
