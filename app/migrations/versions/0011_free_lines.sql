ALTER TABLE earning_rules ADD COLUMN IF NOT EXISTS when_free boolean NOT NULL DEFAULT false;
