-- Validating again does nothing.
-- squawk-ignore prefer-robust-stmts
ALTER TABLE subscriptions VALIDATE CONSTRAINT subscriptions_has_state;
-- squawk-ignore prefer-robust-stmts
ALTER TABLE payments VALIDATE CONSTRAINT payments_is_for_one_thing;
-- One that was cut short is left invalid.
DROP INDEX CONCURRENTLY IF EXISTS subscriptions_one_open;
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS subscriptions_one_open ON subscriptions (member_id, offer_id)
    WHERE state IN ('waiting', 'active', 'grace');
DROP INDEX CONCURRENTLY IF EXISTS subscriptions_one_running;
DROP INDEX CONCURRENTLY IF EXISTS subscriptions_by_member;
CREATE INDEX CONCURRENTLY IF NOT EXISTS subscriptions_by_member ON subscriptions (member_id, subscription_id);
DROP INDEX CONCURRENTLY IF EXISTS payments_one_refund;
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS payments_one_refund ON payments (refund_of)
    WHERE refund_of IS NOT NULL AND state <> 'failed';
