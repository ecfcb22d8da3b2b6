-- Each row that the new index holds is in the old one, so it can't be refused. One that was cut short is left invalid.
DROP INDEX CONCURRENTLY IF EXISTS offers_voucher_in_use;
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS offers_voucher_in_use ON offers ((terms ->> 'code'))
    WHERE kind = 'voucher' AND stage IN ('started', 'paused');
DROP INDEX CONCURRENTLY IF EXISTS offers_voucher_code;
