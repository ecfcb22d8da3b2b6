CREATE TABLE offers (
    offer_id     uuid PRIMARY KEY,
    kind         text NOT NULL,
    name         text NOT NULL,
    description  text NOT NULL DEFAULT '',
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    terms        jsonb NOT NULL,
    CHECK (starts_at < ends_at)
);
CREATE INDEX offers_by_kind ON offers (kind, ends_at);
CREATE UNIQUE INDEX offers_voucher_code ON offers ((terms ->> 'code')) WHERE kind = 'voucher';
CREATE TRIGGER moves AFTER INSERT OR UPDATE OR DELETE ON offers
    FOR EACH STATEMENT EXECUTE FUNCTION program_moves();

CREATE TABLE offer_stock (
    offer_id  uuid PRIMARY KEY REFERENCES offers,
    on_hand   bigint NOT NULL CONSTRAINT stock_is_never_negative CHECK (on_hand >= 0)
);

CREATE TABLE subscriptions (
    subscription_id  uuid PRIMARY KEY,
    member_id        uuid NOT NULL REFERENCES members,
    offer_id         uuid NOT NULL REFERENCES offers,
    state            text NOT NULL CHECK (state IN ('active', 'grace', 'cancelled', 'lapsed')),
    started_on       date NOT NULL,
    paid_until       date NOT NULL,
    due_on           date NOT NULL
);
CREATE UNIQUE INDEX subscriptions_one_running ON subscriptions (member_id, offer_id) WHERE state IN ('active', 'grace');
CREATE INDEX subscriptions_due ON subscriptions (due_on) WHERE state <> 'lapsed';
