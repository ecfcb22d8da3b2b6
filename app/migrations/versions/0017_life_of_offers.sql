-- The code before makes only what is started at once.
ALTER TABLE offers
    ADD COLUMN IF NOT EXISTS stage text NOT NULL DEFAULT 'started',
    ADD COLUMN IF NOT EXISTS author uuid,
    ADD COLUMN IF NOT EXISTS editor uuid,
    ADD COLUMN IF NOT EXISTS edits integer NOT NULL DEFAULT 0;
ALTER TABLE offers ADD CONSTRAINT offers_stage CHECK (stage IN ('draft', 'started', 'paused', 'ended')) NOT VALID;
ALTER TABLE earning_rules
    ADD COLUMN IF NOT EXISTS stage text NOT NULL DEFAULT 'started',
    ADD COLUMN IF NOT EXISTS author uuid,
    ADD COLUMN IF NOT EXISTS editor uuid,
    ADD COLUMN IF NOT EXISTS edits integer NOT NULL DEFAULT 0;
ALTER TABLE earning_rules
    ADD CONSTRAINT rules_stage CHECK (stage IN ('draft', 'started', 'paused', 'ended')) NOT VALID;
