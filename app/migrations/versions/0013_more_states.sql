-- Each constraint holds for every row that the one before it took; the next step validates it.
-- squawk-ignore ban-drop-constraint
ALTER TABLE subscriptions DROP CONSTRAINT IF EXISTS subscriptions_state_check;
-- squawk-ignore ban-drop-constraint
ALTER TABLE subscriptions DROP CONSTRAINT IF EXISTS subscriptions_has_state;
ALTER TABLE subscriptions ADD CONSTRAINT subscriptions_has_state
    CHECK (state IN ('waiting', 'active', 'grace', 'cancelled', 'lapsed', 'ended')) NOT VALID;

-- The charge that a payment pays back. It is written beside its charge, which is never deleted: no foreign key.
ALTER TABLE payments ADD COLUMN IF NOT EXISTS refund_of uuid;
-- squawk-ignore ban-drop-constraint
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_check;
-- squawk-ignore ban-drop-constraint
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_is_for_one_thing;
ALTER TABLE payments ADD CONSTRAINT payments_is_for_one_thing
    CHECK (num_nonnulls(redemption_id, subscription_id, refund_of) = 1
           AND (direction = 'in') = (subscription_id IS NOT NULL)) NOT VALID;

-- Spent points of units that came back, which nothing else of the member's could replace.
ALTER TABLE lots ADD COLUMN IF NOT EXISTS short bigint NOT NULL DEFAULT 0;
