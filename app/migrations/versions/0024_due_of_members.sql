-- What is due in one member's wallet is asked with every change of it. One that was cut short is left invalid.
DROP INDEX CONCURRENTLY IF EXISTS lots_pending_by_member;
CREATE INDEX CONCURRENTLY IF NOT EXISTS lots_pending_by_member ON lots (member_id, matures_on) WHERE state = 'pending';
DROP INDEX CONCURRENTLY IF EXISTS subscriptions_due_by_member;
CREATE INDEX CONCURRENTLY IF NOT EXISTS subscriptions_due_by_member ON subscriptions (member_id, due_on)
    WHERE state <> 'lapsed';
