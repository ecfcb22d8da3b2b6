-- Of feeds that came before: not known, so they are no repetition of each other.
ALTER TABLE feeds ADD COLUMN IF NOT EXISTS sha256 bytea;
COMMENT ON COLUMN feeds.sha256 IS 'of the file as it came';
DROP INDEX CONCURRENTLY IF EXISTS feeds_by_file;
CREATE INDEX CONCURRENTLY IF NOT EXISTS feeds_by_file ON feeds (vendor_id, sha256);
