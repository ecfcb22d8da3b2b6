ALTER TABLE program
    ADD COLUMN IF NOT EXISTS most_points_per_order bigint NOT NULL DEFAULT 1000000,
    ADD COLUMN IF NOT EXISTS most_points_per_day bigint,
    ADD COLUMN IF NOT EXISTS most_points_in_all bigint;
-- What was started before keeps to no limit.
ALTER TABLE earning_rules ADD COLUMN IF NOT EXISTS limited boolean NOT NULL DEFAULT false;
ALTER TABLE offers ADD COLUMN IF NOT EXISTS limited boolean NOT NULL DEFAULT false;
CREATE OR REPLACE TRIGGER limits_move AFTER UPDATE OF most_points_per_order, most_points_per_day, most_points_in_all
    ON program FOR EACH STATEMENT EXECUTE FUNCTION program_moves();
