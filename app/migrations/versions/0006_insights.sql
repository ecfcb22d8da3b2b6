-- ── the consumer: what it has seen, in room that does not grow with the stream ──────────────────────────────────────

-- One row a consumer, locked while it applies a batch. `newest` is the latest event time seen: windows close by it.
CREATE TABLE stream_progress (
    consumer     text PRIMARY KEY,
    full_chunks  int8multirange NOT NULL DEFAULT '{}',  -- of revisions' numbers / 8192: each of the chunk was applied
    blocks       int8multirange NOT NULL DEFAULT '{}',  -- whose summaries came
    newest       timestamptz
);

-- The chunks that are not full: a bit a revision.
CREATE TABLE stream_seen (
    consumer  text NOT NULL,
    chunk     bigint NOT NULL,
    bits      bytea NOT NULL CHECK (length(bits) = 1024),
    PRIMARY KEY (consumer, chunk)
);

INSERT INTO stream_progress (consumer) SELECT DISTINCT consumer FROM stream_applied;
INSERT INTO stream_seen
SELECT consumer, chunk,
       decode(string_agg(lpad(to_hex(coalesce(byte, 0)), 2, '0'), '' ORDER BY place), 'hex')
FROM (SELECT DISTINCT consumer, sequence / 8192 AS chunk FROM stream_applied) chunks
CROSS JOIN generate_series(0, 1023) AS place
LEFT JOIN (
    SELECT consumer, sequence / 8192 AS chunk, (sequence % 8192 / 8)::int AS place, sum(1 << (sequence % 8)::int) AS byte
    FROM stream_applied GROUP BY 1, 2, 3
) bytes USING (consumer, chunk, place)
GROUP BY 1, 2;
DROP TABLE stream_applied;

ALTER TABLE stream_quarantine
    ALTER COLUMN record TYPE bytea USING decode(record, 'hex'),
    ADD COLUMN tries integer NOT NULL DEFAULT 1;

-- ── hourly windows ──────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE hourly_area_sales (
    hour        timestamptz NOT NULL,
    area        text NOT NULL,
    units       bigint NOT NULL,
    paid_minor  bigint NOT NULL,
    lines       bigint NOT NULL,
    PRIMARY KEY (hour, area)
) WITH (fillfactor = 70);

-- An hour's sums. Version 1 grows until it is final; what comes later makes a new version, whose sums hold all.
CREATE TABLE sales_windows (
    hour        timestamptz NOT NULL,
    version     integer NOT NULL CHECK (version > 0),
    final       boolean NOT NULL,
    orders      bigint NOT NULL,
    lines       bigint NOT NULL,
    units       bigint NOT NULL,
    paid_minor  bigint NOT NULL,
    PRIMARY KEY (hour, version)
) WITH (fillfactor = 70);
CREATE INDEX sales_windows_open ON sales_windows (hour) WHERE NOT final;

CREATE FUNCTION final_windows_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'window % version % is final', OLD.hour, OLD.version USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER final_stays BEFORE UPDATE ON sales_windows
    FOR EACH ROW WHEN (OLD.final) EXECUTE FUNCTION final_windows_stay();

INSERT INTO sales_windows
SELECT hour, 1, false, orders, lines, units, paid_minor
FROM (SELECT hour, sum(lines) AS lines, sum(units) AS units, sum(paid_minor) AS paid_minor
      FROM hourly_sales GROUP BY 1) sold
JOIN (SELECT date_trunc('hour', placed_at, 'UTC') AS hour, count(*) AS orders FROM orders GROUP BY 1) placed USING (hour);
INSERT INTO hourly_area_sales
SELECT date_trunc('hour', placed_at, 'UTC'), area, sum(l.units), sum(l.paid_minor), count(*)
FROM orders o JOIN order_lines l USING (order_id)
WHERE area IS NOT NULL AND date_trunc('hour', placed_at, 'UTC') IN (SELECT hour FROM sales_windows)
GROUP BY 1, 2;

-- Baskets as the stream told them, for as long as affinity looks back.
CREATE TABLE stream_baskets (
    sequence   bigint PRIMARY KEY,
    placed_at  timestamptz NOT NULL,
    member_id  uuid,
    products   uuid[] NOT NULL
);
CREATE INDEX stream_baskets_by_time ON stream_baskets (placed_at);
CREATE INDEX stream_baskets_by_member ON stream_baskets (member_id, placed_at);

-- ── recommendations: learned anew each hour from the newest baskets ─────────────────────────────────────────────────

CREATE FUNCTION x_ln_x(x double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN x > 0 THEN x * ln(x) ELSE 0 END;

-- Dunning's G²: how surprising it is that two things, in n1 and n2 of n baskets, are in `both` together.
CREATE FUNCTION log_likelihood(both_ bigint, n1 bigint, n2 bigint, n bigint) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 2 * (x_ln_x(both_) + x_ln_x(n1 - both_) + x_ln_x(n2 - both_) + x_ln_x(n - n1 - n2 + both_)
                - x_ln_x(n1) - x_ln_x(n - n1) - x_ln_x(n2) - x_ln_x(n - n2) + x_ln_x(n));

CREATE TABLE learned (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    baskets     bigint NOT NULL,
    newest      timestamptz,
    learned_at  timestamptz NOT NULL
);
CREATE TABLE product_affinity (
    product_id    uuid NOT NULL,
    companion_id  uuid NOT NULL,
    together      bigint NOT NULL,
    baskets       bigint NOT NULL,
    lift          double precision NOT NULL,
    PRIMARY KEY (product_id, companion_id)
);
CREATE TABLE category_affinity (
    category_id   uuid NOT NULL,
    companion_id  uuid NOT NULL,
    together      bigint NOT NULL,
    baskets       bigint NOT NULL,
    lift          double precision NOT NULL,
    PRIMARY KEY (category_id, companion_id)
);
CREATE TABLE popular_products (
    product_id   uuid PRIMARY KEY,
    category_id  uuid NOT NULL,
    baskets      bigint NOT NULL
);
CREATE INDEX popular_products_by_category ON popular_products (category_id, baskets DESC);
CREATE INDEX popular_products_by_baskets ON popular_products (baskets DESC);
-- A cell is kept only where 10 members or more stand behind it, all of whom consented.
CREATE TABLE segment_products (
    kind        text NOT NULL CHECK (kind IN ('income_band', 'marital_status', 'buys_most')),
    segment     text NOT NULL,
    product_id  uuid NOT NULL,
    members     bigint NOT NULL CHECK (members >= 10),
    share       double precision NOT NULL,   -- of the segment's baskets
    PRIMARY KEY (kind, segment, product_id)
);

-- ── discounts by the hour ───────────────────────────────────────────────────────────────────────────────────────────

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
INSERT INTO discount_switch VALUES (true, false);
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
CREATE TABLE discount_budgets (
    vendor_id   uuid NOT NULL,
    hour        timestamptz NOT NULL,
    left_minor  bigint NOT NULL CONSTRAINT discounts_within_budget CHECK (left_minor >= 0),
    PRIMARY KEY (vendor_id, hour)
);
CREATE TRIGGER moves AFTER INSERT OR UPDATE OR DELETE ON hourly_discounts
    FOR EACH STATEMENT EXECUTE FUNCTION program_moves();
