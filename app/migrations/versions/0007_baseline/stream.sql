-- ── the consumer: what it has seen, in room that does not grow with the stream ──────────────────────────────────────

CREATE TABLE stream_checkpoints (
    consumer  text NOT NULL,
    shard     text NOT NULL,
    position  text NOT NULL,
    PRIMARY KEY (consumer, shard)
);

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

CREATE TABLE stream_quarantine (
    consumer  text NOT NULL,
    shard     text NOT NULL,
    position  text NOT NULL,
    reason    text NOT NULL,
    record    bytea NOT NULL,
    tries     integer NOT NULL DEFAULT 1,
    PRIMARY KEY (consumer, shard, position)
);

-- ── windows of an hour ──────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE hourly_sales (
    hour        timestamptz NOT NULL,
    product_id  uuid NOT NULL,
    units       bigint NOT NULL,
    paid_minor  bigint NOT NULL,
    lines       bigint NOT NULL,
    PRIMARY KEY (hour, product_id)
) WITH (fillfactor = 70);

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

-- Baskets as the stream told them, for as long as affinity looks back.
CREATE TABLE stream_baskets (
    sequence   bigint PRIMARY KEY,
    placed_at  timestamptz NOT NULL,
    member_id  uuid,
    products   uuid[] NOT NULL
);
CREATE INDEX stream_baskets_by_time ON stream_baskets (placed_at);
CREATE INDEX stream_baskets_by_member ON stream_baskets (member_id, placed_at);
