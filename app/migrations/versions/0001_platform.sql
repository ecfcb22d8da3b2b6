-- Money is bigint minor units, points are bigint. Balances, stock and budgets are guarded by CHECK as well as by locks.

-- ── ledger: the journal, its leaves and its blocks ──────────────────────────────────────────────────────────────────

CREATE TABLE journal_revisions (
    revision_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tx_time      timestamptz NOT NULL DEFAULT now(),
    table_name   text NOT NULL,
    document_id  text NOT NULL,
    salt         bytea NOT NULL,
    data         json NOT NULL          -- json, not jsonb: the exact bytes are what is hashed
);
CREATE INDEX journal_revisions_by_xid ON journal_revisions (xid, revision_id);
CREATE INDEX journal_revisions_by_document ON journal_revisions (document_id, table_name, revision_id);

CREATE TABLE journal_blocks (
    sequence       bigint PRIMARY KEY,
    first_leaf     bigint NOT NULL,
    tree_size      bigint NOT NULL CHECK (tree_size > first_leaf),
    sealed_before  xid8 NOT NULL,       -- every revision of a smaller transaction id is in this block or an earlier one
    sealed_at      timestamptz NOT NULL,
    root           bytea NOT NULL,      -- RFC 6962 root of all leaves up to tree_size
    frontier       bytea NOT NULL,      -- roots of the perfect subtrees, largest first, 32 bytes each
    previous_hash  bytea NOT NULL,
    hash           bytea NOT NULL
);

CREATE TABLE journal_leaves (
    sequence     bigint PRIMARY KEY,
    revision_id  bigint NOT NULL UNIQUE,
    block        bigint NOT NULL REFERENCES journal_blocks,
    version      integer NOT NULL,
    hash         bytea NOT NULL
);

CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the journal only grows', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_revisions
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_blocks
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();

CREATE TABLE stream_cursors (
    stream      text PRIMARY KEY,
    created_at  timestamptz NOT NULL,   -- of the stream: one made anew is another stream
    next_block  bigint NOT NULL
);

-- ── the program ─────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE program (
    only_one              boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    name                  text NOT NULL,
    currency              char(3) NOT NULL,
    time_zone             text NOT NULL,
    minor_per_100_points  bigint NOT NULL CHECK (minor_per_100_points > 0),
    return_window_days    integer NOT NULL CHECK (return_window_days BETWEEN 0 AND 365),
    expire_after_days     integer CHECK (expire_after_days > 0),
    return_policy         text NOT NULL CHECK (return_policy IN ('only_pending', 'within_balance'))
);
INSERT INTO program VALUES (true, 'Rewards', 'USD', 'America/New_York', 100, 14, 730, 'within_balance');

-- ── vendors ─────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE vendors (
    vendor_id   uuid PRIMARY KEY,
    name        text NOT NULL,
    legal_name  text NOT NULL,
    country     char(2) NOT NULL,
    tax_id      text NOT NULL,
    email       text NOT NULL,
    website     text,
    currency    char(3) NOT NULL,
    state       text NOT NULL CHECK (state IN ('applied', 'approved', 'rejected', 'active', 'suspended')),
    reasons     text[] NOT NULL DEFAULT '{}',
    checks      jsonb NOT NULL DEFAULT '[]',
    secret_hash bytea,
    applied_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX vendors_one_per_tax_id ON vendors (country, tax_id) WHERE state <> 'rejected';
CREATE INDEX vendors_not_active ON vendors (vendor_id) WHERE state <> 'active';

-- ── catalogue ───────────────────────────────────────────────────────────────────────────────────────────────────────

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

CREATE TABLE feeds (
    feed_id      uuid PRIMARY KEY,
    vendor_id    uuid NOT NULL REFERENCES vendors,
    received_at  timestamptz NOT NULL,
    mode         text NOT NULL CHECK (mode IN ('all_or_nothing', 'good_rows')),
    report       jsonb NOT NULL
);
CREATE INDEX feeds_by_vendor ON feeds (vendor_id, feed_id);

-- ── members ─────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE members (
    member_id       uuid PRIMARY KEY,
    name            text NOT NULL,
    income_band     text,
    marital_status  text CHECK (marital_status IN ('married', 'unmarried')),
    consented_at    timestamptz,
    joined_at       timestamptz NOT NULL
);

CREATE TABLE wallets (
    member_id  uuid PRIMARY KEY REFERENCES members,
    pending    bigint NOT NULL DEFAULT 0 CONSTRAINT pending_is_never_negative CHECK (pending >= 0),
    available  bigint NOT NULL DEFAULT 0 CONSTRAINT available_is_never_negative CHECK (available >= 0)
) WITH (fillfactor = 60);

-- ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE orders (
    order_id        uuid PRIMARY KEY,
    member_id       uuid NOT NULL REFERENCES members,
    placed_at       timestamptz NOT NULL,
    business_date   date NOT NULL,
    currency        char(3) NOT NULL,
    gross_minor     bigint NOT NULL,
    discount_minor  bigint NOT NULL,
    points_minor    bigint NOT NULL,    -- what points paid of it
    paid_minor      bigint NOT NULL CHECK (paid_minor = gross_minor - discount_minor - points_minor AND paid_minor >= 0),
    points_spent    bigint NOT NULL CHECK (points_spent >= 0),
    area            text,
    reference       text
);
CREATE INDEX orders_by_member ON orders (member_id, order_id);

CREATE TABLE order_lines (
    order_id            uuid NOT NULL REFERENCES orders,
    line                smallint NOT NULL,
    product_id          uuid NOT NULL REFERENCES products,
    vendor_id           uuid NOT NULL,
    units               integer NOT NULL CHECK (units > 0),
    gross_minor         bigint NOT NULL,
    discount_minor      bigint NOT NULL,
    points_minor        bigint NOT NULL,
    paid_minor          bigint NOT NULL CHECK (paid_minor = gross_minor - discount_minor - points_minor AND paid_minor >= 0),
    return_window_days  integer NOT NULL,
    matures_on          date NOT NULL,
    returned_units      integer NOT NULL DEFAULT 0
                        CONSTRAINT not_more_than_bought CHECK (returned_units BETWEEN 0 AND units),
    PRIMARY KEY (order_id, line)
);

CREATE TABLE returns (
    return_id    uuid PRIMARY KEY,
    order_id     uuid NOT NULL,
    line         smallint NOT NULL,
    units        integer NOT NULL CHECK (units > 0),
    returned_at  timestamptz NOT NULL,
    reason       text NOT NULL,
    points       bigint NOT NULL,        -- taken back, pending and confirmed together
    FOREIGN KEY (order_id, line) REFERENCES order_lines
);
CREATE INDEX returns_by_order ON returns (order_id, line);

-- ── rewards ─────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE earning_rules (
    rule_id    uuid PRIMARY KEY,
    name       text NOT NULL,
    scope      text NOT NULL CHECK (scope IN ('everything', 'vendor', 'category', 'brand', 'product')),
    target     text NOT NULL DEFAULT '' CHECK ((scope = 'everything') = (target = '')),
    method     text NOT NULL CHECK (method IN ('rate', 'fixed')),
    points     integer NOT NULL CHECK (points >= 0),  -- rate: per 100 minor units paid; fixed: per unit bought
    starts_at  timestamptz NOT NULL DEFAULT '-infinity',
    ends_at    timestamptz NOT NULL DEFAULT 'infinity',
    CHECK (starts_at < ends_at)
);
INSERT INTO earning_rules VALUES
    ('00000000-0000-7000-8000-000000000001', 'Five points for every 1.00 paid', 'everything', '', 'rate', 5);

CREATE TABLE lots (
    lot_id        uuid PRIMARY KEY,
    member_id     uuid NOT NULL,        -- the order's
    order_id      uuid NOT NULL,
    line          smallint NOT NULL,
    vendor_id     uuid NOT NULL,
    rule_id       uuid NOT NULL,        -- of earning_rules, where nothing is ever deleted
    units         integer NOT NULL CHECK (units >= 0),  -- still held; none when all came back but points were spent
    points        bigint NOT NULL CHECK (points >= 0),
    unspent       bigint NOT NULL CHECK (unspent BETWEEN 0 AND points),
    recovered     bigint NOT NULL DEFAULT 0 CHECK (recovered >= 0),  -- spent ones that a return took out of other lots
    state         text NOT NULL CHECK (state IN ('pending', 'confirmed', 'spent', 'expired', 'removed', 'clawed_back')),
    earned_at     timestamptz NOT NULL,
    matures_on    date NOT NULL,
    expires_on    date,
    split_from    uuid,                 -- the lot that these units were part of
    explanation   json NOT NULL,
    FOREIGN KEY (order_id, line) REFERENCES order_lines,
    CHECK (state NOT IN ('spent', 'expired', 'removed', 'clawed_back') OR unspent = 0),
    CHECK (state <> 'pending' OR unspent = points)
);
CREATE INDEX lots_by_order ON lots (order_id, line);
CREATE INDEX lots_by_member ON lots (member_id, lot_id);
CREATE INDEX lots_due ON lots (matures_on, member_id) WHERE state = 'pending';
CREATE INDEX lots_spendable ON lots (member_id, expires_on, lot_id) WHERE state = 'confirmed';
CREATE INDEX lots_expiring ON lots (expires_on, member_id) WHERE state = 'confirmed' AND expires_on IS NOT NULL;

CREATE TABLE redemptions (
    redemption_id  uuid PRIMARY KEY,
    member_id      uuid NOT NULL REFERENCES members,
    kind           text NOT NULL CHECK (kind IN ('item', 'checkout', 'cash_back', 'subscription', 'clawback')),
    state          text NOT NULL CHECK (state IN ('requested', 'fulfilled')),
    points         bigint NOT NULL CHECK (points > 0),
    amount_minor   bigint CHECK (amount_minor > 0),
    order_id       uuid REFERENCES orders DEFERRABLE INITIALLY DEFERRED,  -- points are drawn before the order is written
    offer_id       uuid,
    redeemed_at    timestamptz NOT NULL
);
CREATE INDEX redemptions_by_member ON redemptions (member_id, redemption_id);

CREATE TABLE lot_draws (
    lot_id         uuid NOT NULL REFERENCES lots,
    redemption_id  uuid NOT NULL REFERENCES redemptions,
    points         bigint NOT NULL CHECK (points > 0),
    PRIMARY KEY (redemption_id, lot_id)
);
CREATE INDEX lot_draws_by_lot ON lot_draws (lot_id);

-- Double entry: the postings of a movement sum to nothing, and a movement is one statement.
CREATE TABLE postings (
    posting_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    movement_id  uuid NOT NULL,
    kind         text NOT NULL,
    account      text NOT NULL CHECK (account IN
                     ('member_pending', 'member_available', 'vendor_funding', 'program_liability', 'breakage')),
    owner_id     uuid,
    points       bigint NOT NULL CHECK (points <> 0),
    posted_at    timestamptz NOT NULL
);
CREATE INDEX postings_by_owner ON postings (owner_id, account, posting_id);

CREATE FUNCTION postings_must_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM posted GROUP BY movement_id HAVING sum(points) <> 0) THEN
        RAISE EXCEPTION 'postings of a movement do not balance' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER balanced AFTER INSERT ON postings REFERENCING NEW TABLE AS posted
    FOR EACH STATEMENT EXECUTE FUNCTION postings_must_balance();

CREATE TABLE nightly_runs (
    run_id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business_date     date NOT NULL,
    started_at        timestamptz NOT NULL,
    seconds           double precision NOT NULL,
    confirmed_lots    bigint NOT NULL,
    confirmed_points  bigint NOT NULL,
    expired_lots      bigint NOT NULL,
    expired_points    bigint NOT NULL,
    renewed           bigint NOT NULL,
    lapsed            bigint NOT NULL,
    oldest_due        date
);

-- ── offers: the reward catalogue ────────────────────────────────────────────────────────────────────────────────────

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
ALTER TABLE redemptions ADD FOREIGN KEY (offer_id) REFERENCES offers;

CREATE TABLE offer_stock (
    offer_id  uuid PRIMARY KEY REFERENCES offers,
    on_hand   bigint NOT NULL CONSTRAINT stock_is_never_negative CHECK (on_hand >= 0)
);

CREATE TABLE subscriptions (
    subscription_id  uuid PRIMARY KEY,
    member_id        uuid NOT NULL REFERENCES members,
    offer_id         uuid NOT NULL REFERENCES offers,
    state            text NOT NULL CHECK (state IN ('active', 'cancelled', 'lapsed')),
    started_on       date NOT NULL,
    paid_until       date NOT NULL,
    CHECK (paid_until > started_on)
);
CREATE UNIQUE INDEX subscriptions_one_running ON subscriptions (member_id, offer_id) WHERE state = 'active';
CREATE INDEX subscriptions_due ON subscriptions (paid_until) WHERE state IN ('active', 'cancelled');

-- ── insights: the journal stream's consumer ─────────────────────────────────────────────────────────────────────────

CREATE TABLE stream_checkpoints (
    consumer  text NOT NULL,
    shard     text NOT NULL,
    position  text NOT NULL,
    PRIMARY KEY (consumer, shard)
);

CREATE TABLE stream_applied (
    consumer  text NOT NULL,
    sequence  bigint NOT NULL,
    PRIMARY KEY (consumer, sequence)
);

CREATE TABLE stream_quarantine (
    consumer  text NOT NULL,
    shard     text NOT NULL,
    position  text NOT NULL,
    reason    text NOT NULL,
    record    text NOT NULL,
    PRIMARY KEY (consumer, shard, position)
);

CREATE TABLE hourly_sales (
    hour        timestamptz NOT NULL,
    product_id  uuid NOT NULL,
    units       bigint NOT NULL,
    paid_minor  bigint NOT NULL,
    lines       bigint NOT NULL,
    PRIMARY KEY (hour, product_id)
) WITH (fillfactor = 70);

-- ── the API's own memory ────────────────────────────────────────────────────────────────────────────────────────────

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

CREATE TABLE loads (
    name      text PRIMARY KEY,
    position  bigint NOT NULL,
    counts    jsonb NOT NULL
);
