CREATE TABLE vendors (
    vendor_id    uuid PRIMARY KEY,
    name         text NOT NULL,
    legal_name   text NOT NULL,
    country      char(2) NOT NULL,
    tax_id       text NOT NULL,
    email        text NOT NULL,
    website      text,
    currency     char(3) NOT NULL,
    state        text NOT NULL CHECK (state IN ('applied', 'approved', 'rejected', 'active', 'suspended')),
    reasons      text[] NOT NULL DEFAULT '{}',
    checks       jsonb NOT NULL DEFAULT '[]',
    secret_hash  bytea,
    applied_at   timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX vendors_one_per_tax_id ON vendors (country, tax_id) WHERE state <> 'rejected';
CREATE INDEX vendors_not_active ON vendors (vendor_id) WHERE state <> 'active';

CREATE TABLE feeds (
    feed_id      uuid PRIMARY KEY,
    vendor_id    uuid NOT NULL REFERENCES vendors,
    received_at  timestamptz NOT NULL,
    mode         text NOT NULL CHECK (mode IN ('all_or_nothing', 'good_rows')),
    report       jsonb NOT NULL
);
CREATE INDEX feeds_by_vendor ON feeds (vendor_id, feed_id);
