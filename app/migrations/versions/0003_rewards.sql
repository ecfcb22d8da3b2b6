-- ── the program's version: what a process remembers of rules and offers is true as long as it stands ────────────────

ALTER TABLE program
    ADD COLUMN earning_base text NOT NULL DEFAULT 'net' CHECK (earning_base IN ('gross', 'net')),
    ADD COLUMN version      text NOT NULL DEFAULT '0',   -- the transaction that changed program, rules or offers last
    DROP CONSTRAINT program_return_policy_check,
    ADD CONSTRAINT program_return_policy_check CHECK (return_policy IN ('only_pending', 'within_balance', 'negative'));

CREATE FUNCTION program_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE program SET version = pg_current_xact_id()::text WHERE version <> pg_current_xact_id()::text;
    RETURN NULL;
END $$;
CREATE TRIGGER moves AFTER UPDATE OF name, currency, time_zone, minor_per_100_points, return_window_days,
    expire_after_days, return_policy, earning_base ON program FOR EACH STATEMENT EXECUTE FUNCTION program_moves();
CREATE TRIGGER moves AFTER INSERT OR UPDATE OR DELETE ON earning_rules
    FOR EACH STATEMENT EXECUTE FUNCTION program_moves();
CREATE TRIGGER moves AFTER INSERT OR UPDATE OR DELETE ON offers
    FOR EACH STATEMENT EXECUTE FUNCTION program_moves();

-- ── earning rules ───────────────────────────────────────────────────────────────────────────────────────────────────

ALTER TABLE earning_rules RENAME COLUMN points TO amount;
ALTER TABLE earning_rules
    DROP CONSTRAINT earning_rules_method_check,
    ADD CONSTRAINT earning_rules_method_check CHECK (method IN ('rate', 'fixed', 'cash_back', 'multiplier')),
    ADD COLUMN stacking       text NOT NULL DEFAULT 'particular'
                              CHECK (stacking IN ('particular', 'best_of', 'adds', 'exclusive')),
    ADD COLUMN priority       integer NOT NULL DEFAULT 0,
    ADD COLUMN cap_member     bigint CHECK (cap_member > 0),
    ADD COLUMN cap_member_day bigint CHECK (cap_member_day > 0),
    ADD COLUMN budget         bigint CHECK (budget > 0),
    ADD COLUMN over_cap       text NOT NULL DEFAULT 'reduce' CHECK (over_cap IN ('reduce', 'refuse'));
-- What an accepted claim earns, it earns under a rule of its own. It never runs by itself.
INSERT INTO earning_rules (rule_id, name, scope, target, method, amount, ends_at) VALUES
    ('00000000-0000-7000-8000-000000000002', 'Missing reward, claimed', 'everything', '', 'fixed', 0, '1970-01-01Z');

-- What is limited by number: points under a cap, uses of a voucher.
CREATE TABLE cap_usage (
    cap_key  text COLLATE "C" PRIMARY KEY,
    most     bigint NOT NULL,
    used     bigint NOT NULL DEFAULT 0,
    CONSTRAINT cap_is_kept CHECK (used BETWEEN 0 AND most)
) WITH (fillfactor = 70);

-- ── wallets, lots, redemptions ──────────────────────────────────────────────────────────────────────────────────────

ALTER TABLE wallets ADD COLUMN owed bigint NOT NULL DEFAULT 0 CHECK (owed >= 0);
CREATE INDEX wallets_in_debt ON wallets (member_id) WHERE owed > 0;
ALTER TABLE postings
    DROP CONSTRAINT postings_account_check,
    ADD CONSTRAINT postings_account_check CHECK (account IN ('member_pending', 'member_available', 'member_owed',
        'vendor_funding', 'program_liability', 'breakage'));
CREATE INDEX postings_of_vendors ON postings (owner_id, posted_at) WHERE account = 'vendor_funding';

ALTER TABLE redemptions
    DROP CONSTRAINT redemptions_state_check,
    ADD CONSTRAINT redemptions_state_check CHECK (state IN ('requested', 'fulfilled', 'cancelled'));

-- Written in one transaction with what they refer to, and nothing of that is ever deleted: checking each row again cost
-- a tenth of an order.
ALTER TABLE order_lines DROP CONSTRAINT order_lines_product_id_fkey;
ALTER TABLE lots DROP CONSTRAINT lots_order_id_line_fkey;

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

-- ── offers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE UNIQUE INDEX offers_voucher_code ON offers ((terms ->> 'code')) WHERE kind = 'voucher';

ALTER TABLE subscriptions
    DROP CONSTRAINT subscriptions_state_check,
    DROP CONSTRAINT subscriptions_check,
    ADD CONSTRAINT subscriptions_state_check CHECK (state IN ('active', 'grace', 'cancelled', 'lapsed')),
    ADD COLUMN due_on date;
UPDATE subscriptions SET due_on = paid_until;
ALTER TABLE subscriptions ALTER COLUMN due_on SET NOT NULL;
DROP INDEX subscriptions_one_running, subscriptions_due;
CREATE UNIQUE INDEX subscriptions_one_running ON subscriptions (member_id, offer_id) WHERE state IN ('active', 'grace');
CREATE INDEX subscriptions_due ON subscriptions (due_on) WHERE state <> 'lapsed';

-- ── runs of the night, and what reconciling found ───────────────────────────────────────────────────────────────────

CREATE TABLE reconciliations (
    run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL,
    wallets      bigint NOT NULL,
    seconds      double precision NOT NULL,
    difference   text                      -- the first that was found; NULL: all agree
);
