ALTER TABLE program
    ADD COLUMN IF NOT EXISTS most_percent integer NOT NULL DEFAULT 200,
    ADD COLUMN IF NOT EXISTS most_multiplier_percent integer NOT NULL DEFAULT 500,
    ADD COLUMN IF NOT EXISTS most_points_per_unit bigint NOT NULL DEFAULT 50000;
-- `content` is the hash of everything that the rule or offer said when it was approved.
CREATE TABLE IF NOT EXISTS approvals (
    subject_id   uuid NOT NULL,
    content      text NOT NULL,
    approved_by  uuid NOT NULL,
    approved_at  timestamptz NOT NULL,
    PRIMARY KEY (subject_id, content, approved_by)
);
