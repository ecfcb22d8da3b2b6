-- The API's own memory: the answer that a repeated request gets.
CREATE TABLE idempotency_keys (
    caller       text NOT NULL,
    key          text NOT NULL,
    body_hash    bytea NOT NULL,
    status       smallint NOT NULL,
    answer       text NOT NULL,
    answered_at  timestamptz NOT NULL,
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (answered_at);

-- How far each set of data to try the platform on is loaded.
CREATE TABLE loads (
    name      text PRIMARY KEY,
    position  bigint NOT NULL,
    counts    jsonb NOT NULL
);
