-- How many times the usual orders a promotion is expected to bring in its first hours. NULL: nobody said.
ALTER TABLE offers ADD COLUMN IF NOT EXISTS expected_times smallint;
CREATE OR REPLACE VIEW announced_promotions AS
    SELECT offer_id, starts_at, ends_at, expected_times FROM offers
    WHERE kind = 'promotion' AND stage = 'started' AND expected_times IS NOT NULL;
