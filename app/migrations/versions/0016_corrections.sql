-- Checks are made wider here, and a lot may have no order: both are said below.
-- squawk-ignore-file ban-drop-constraint, ban-drop-not-null

-- More points than this, booked or taken by hand for one member in a business day, need a second administrator.
ALTER TABLE program ADD COLUMN correction_limit_points bigint NOT NULL DEFAULT 10000
    CHECK (correction_limit_points >= 0);

-- Words that people type: reason, evidence, closing_reason. Erasing a member erases them.
CREATE TABLE corrections (
    correction_id   uuid PRIMARY KEY,
    member_id       uuid NOT NULL REFERENCES members,
    points          bigint NOT NULL CHECK (points <> 0),  -- booked to the member; below nothing: taken
    reason          text NOT NULL,
    evidence        text NOT NULL,
    state           text NOT NULL CHECK (state IN ('proposed', 'booked', 'rejected', 'reversed')),
    proposed_by     uuid NOT NULL,
    proposed_at     timestamptz NOT NULL,
    approved_by     uuid,                                 -- NULL: it was within the limit
    booked_at       timestamptz,
    closed_by       uuid,                                 -- who rejected or reversed it
    closed_at       timestamptz,
    closing_reason  text,
    closing_points  bigint,                               -- by how many its reversal changed the member's points
    lot_id          uuid,                                 -- what was booked
    redemption_id   uuid,                                 -- what was taken
    CONSTRAINT nobody_approves_their_own CHECK (approved_by <> proposed_by),
    CHECK ((state IN ('booked', 'reversed')) = (booked_at IS NOT NULL)),
    CHECK ((state IN ('rejected', 'reversed')) = (closed_at IS NOT NULL)),
    CHECK ((state = 'reversed') = (closing_points IS NOT NULL)),
    CHECK ((booked_at IS NOT NULL AND points > 0) = (lot_id IS NOT NULL)),
    CHECK ((booked_at IS NOT NULL AND points < 0) = (redemption_id IS NOT NULL))
);
CREATE TRIGGER refuse_erased AFTER INSERT ON corrections REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_erased();
CREATE INDEX corrections_by_member ON corrections (member_id, correction_id);
CREATE INDEX corrections_by_state ON corrections (state, correction_id);

-- A lot comes from an order's line or from what its source names. Rows that are there are of purchases, and fit. The
-- code before meets a lot without an order only where one is corrected while it still serves.
ALTER TABLE lots ALTER COLUMN order_id DROP NOT NULL, ALTER COLUMN line DROP NOT NULL,
    ALTER COLUMN vendor_id DROP NOT NULL, ALTER COLUMN rule_id DROP NOT NULL,
    ADD COLUMN source text NOT NULL DEFAULT 'purchase',
    ADD COLUMN source_id uuid,
    ADD CONSTRAINT lots_have_one_source CHECK (
        CASE source WHEN 'purchase' THEN source_id IS NULL AND num_nulls(order_id, line, vendor_id, rule_id) = 0
                    WHEN 'correction' THEN source_id IS NOT NULL AND num_nonnulls(order_id, line, vendor_id, rule_id) = 0
                    ELSE false END) NOT VALID;

-- Wider than before, so the rows that are there fit.
ALTER TABLE redemptions DROP CONSTRAINT redemptions_kind_check;
ALTER TABLE redemptions ADD CONSTRAINT redemptions_kind_check CHECK (
    kind IN ('item', 'checkout', 'cash_back', 'subscription', 'clawback', 'correction')) NOT VALID;
ALTER TABLE postings DROP CONSTRAINT postings_account_check;
ALTER TABLE postings ADD CONSTRAINT postings_account_check CHECK (
    account IN ('member_pending', 'member_available', 'member_owed', 'vendor_funding', 'program_liability', 'breakage',
                'corrections')) NOT VALID;
