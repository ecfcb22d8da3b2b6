-- ── what an order earns ─────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE earning_rules (
    rule_id         uuid PRIMARY KEY,
    name            text NOT NULL,
    scope           text NOT NULL CHECK (scope IN ('everything', 'vendor', 'category', 'brand', 'product')),
    target          text NOT NULL DEFAULT '' CHECK ((scope = 'everything') = (target = '')),
    method          text NOT NULL CHECK (method IN ('rate', 'fixed', 'cash_back', 'multiplier')),
    amount          integer NOT NULL CONSTRAINT earning_rules_points_check CHECK (amount >= 0),
    starts_at       timestamptz NOT NULL DEFAULT '-infinity',
    ends_at         timestamptz NOT NULL DEFAULT 'infinity',
    stacking        text NOT NULL DEFAULT 'particular'
                    CHECK (stacking IN ('particular', 'best_of', 'adds', 'exclusive')),
    priority        integer NOT NULL DEFAULT 0,
    cap_member      bigint CHECK (cap_member > 0),
    cap_member_day  bigint CHECK (cap_member_day > 0),
    budget          bigint CHECK (budget > 0),
    over_cap        text NOT NULL DEFAULT 'reduce' CHECK (over_cap IN ('reduce', 'refuse')),
    CHECK (starts_at < ends_at)
);
CREATE TRIGGER moves AFTER INSERT OR UPDATE OR DELETE ON earning_rules
    FOR EACH STATEMENT EXECUTE FUNCTION program_moves();
-- What an accepted claim earns, it earns under a rule of its own, which never runs by itself.
INSERT INTO earning_rules (rule_id, name, scope, method, amount, ends_at) VALUES
    ('00000000-0000-7000-8000-000000000001', 'Five points for every 1.00 paid', 'everything', 'rate', 5, 'infinity'),
    ('00000000-0000-7000-8000-000000000002', 'Missing reward, claimed', 'everything', 'fixed', 0, '1970-01-01Z');

-- What is limited by number: points under a cap, uses of a voucher.
CREATE TABLE cap_usage (
    cap_key  text COLLATE "C" PRIMARY KEY,
    most     bigint NOT NULL,
    used     bigint NOT NULL DEFAULT 0,
    CONSTRAINT cap_is_kept CHECK (used BETWEEN 0 AND most)
) WITH (fillfactor = 70);

-- ── wallets, lots, and what points were spent on ────────────────────────────────────────────────────────────────────

-- Balances, stock and budgets are guarded by CHECK as well as by locks.
CREATE TABLE wallets (
    member_id  uuid PRIMARY KEY REFERENCES members,
    pending    bigint NOT NULL DEFAULT 0 CONSTRAINT pending_is_never_negative CHECK (pending >= 0),
    available  bigint NOT NULL DEFAULT 0 CONSTRAINT available_is_never_negative CHECK (available >= 0),
    owed       bigint NOT NULL DEFAULT 0 CHECK (owed >= 0)
) WITH (fillfactor = 60);
CREATE INDEX wallets_in_debt ON wallets (member_id) WHERE owed > 0;

-- Written in one transaction with what they refer to, and nothing of that is ever deleted: no foreign keys.
CREATE TABLE lots (
    lot_id       uuid PRIMARY KEY,
    member_id    uuid NOT NULL,        -- the order's
    order_id     uuid NOT NULL,
    line         smallint NOT NULL,
    vendor_id    uuid NOT NULL,
    rule_id      uuid NOT NULL,
    units        integer NOT NULL CHECK (units >= 0),  -- still held; none when all came back but points were spent
    points       bigint NOT NULL CHECK (points >= 0),
    unspent      bigint NOT NULL CHECK (unspent BETWEEN 0 AND points),
    recovered    bigint NOT NULL DEFAULT 0 CHECK (recovered >= 0),  -- spent ones that a return took out of other lots
    state        text NOT NULL CHECK (state IN ('pending', 'confirmed', 'spent', 'expired', 'removed', 'clawed_back')),
    earned_at    timestamptz NOT NULL,
    matures_on   date NOT NULL,
    expires_on   date,
    split_from   uuid,                 -- the lot that these units were part of
    explanation  json NOT NULL,
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
    state          text NOT NULL CHECK (state IN ('requested', 'fulfilled', 'cancelled')),
    points         bigint NOT NULL CHECK (points > 0),
    amount_minor   bigint CHECK (amount_minor > 0),
    order_id       uuid REFERENCES orders DEFERRABLE INITIALLY DEFERRED,  -- points are drawn before the order is written
    offer_id       uuid REFERENCES offers,
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
    account      text NOT NULL CHECK (account IN ('member_pending', 'member_available', 'member_owed',
                     'vendor_funding', 'program_liability', 'breakage')),
    owner_id     uuid,
    points       bigint NOT NULL CHECK (points <> 0),
    posted_at    timestamptz NOT NULL
);
CREATE INDEX postings_by_owner ON postings (owner_id, account, posting_id);
CREATE INDEX postings_of_vendors ON postings (owner_id, posted_at) WHERE account = 'vendor_funding';

CREATE FUNCTION postings_must_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM posted GROUP BY movement_id HAVING sum(points) <> 0) THEN
        RAISE EXCEPTION 'postings of a movement do not balance' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER balanced AFTER INSERT ON postings REFERENCING NEW TABLE AS posted
    FOR EACH STATEMENT EXECUTE FUNCTION postings_must_balance();

-- ── payments and claims ─────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE payments (
    payment_id       uuid PRIMARY KEY,
    direction        text NOT NULL CHECK (direction IN ('in', 'out')),
    member_id        uuid NOT NULL REFERENCES members,
    amount_minor     bigint NOT NULL CHECK (amount_minor > 0),
    currency         char(3) NOT NULL,
    state            text NOT NULL CHECK (state IN ('instructed', 'sent', 'settled', 'failed', 'cancelled')),
    redemption_id    uuid REFERENCES redemptions,
    subscription_id  uuid REFERENCES subscriptions,
    instructed_at    timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL,
    CHECK ((direction = 'out') = (redemption_id IS NOT NULL) AND (direction = 'in') = (subscription_id IS NOT NULL))
);
CREATE INDEX payments_by_state ON payments (state, payment_id);
CREATE INDEX payments_by_member ON payments (member_id, payment_id);
CREATE UNIQUE INDEX payments_one_open_charge ON payments (subscription_id) WHERE state IN ('instructed', 'sent');
CREATE UNIQUE INDEX payments_by_redemption ON payments (redemption_id);

CREATE TABLE claims (
    claim_id    uuid PRIMARY KEY,
    member_id   uuid NOT NULL REFERENCES members,
    order_id    uuid NOT NULL,
    line        smallint NOT NULL,
    evidence    text NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'accepted', 'refused')),
    reason      text,
    lot_id      uuid REFERENCES lots,
    opened_at   timestamptz NOT NULL,
    decided_at  timestamptz,
    FOREIGN KEY (order_id, line) REFERENCES order_lines,
    CHECK ((state = 'open') = (decided_at IS NULL) AND (state = 'open') = (reason IS NULL)),
    CHECK ((state = 'accepted') = (lot_id IS NOT NULL))
);
CREATE INDEX claims_by_member ON claims (member_id, claim_id);
CREATE INDEX claims_open ON claims (claim_id) WHERE state = 'open';
CREATE UNIQUE INDEX claims_one_a_line ON claims (order_id, line) WHERE state <> 'refused';

-- ── the night ───────────────────────────────────────────────────────────────────────────────────────────────────────

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

CREATE TABLE reconciliations (
    run_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    wallets     bigint NOT NULL,
    seconds     double precision NOT NULL,
    difference  text                      -- the first that was found; NULL: all agree
);
