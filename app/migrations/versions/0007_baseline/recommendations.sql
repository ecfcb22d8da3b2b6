-- Learned anew each hour from the newest baskets.

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
