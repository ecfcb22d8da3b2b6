-- ── exports that follow each other: each begins where the one before ended ──────────────────────────────────────────

CREATE TABLE journal_exports (
    export_id        uuid PRIMARY KEY,
    inclusive_start  timestamptz NOT NULL UNIQUE,
    exclusive_end    timestamptz NOT NULL UNIQUE CHECK (exclusive_end > inclusive_start),
    completed        boolean NOT NULL DEFAULT false
);

-- ── the process that seals also sends ───────────────────────────────────────────────────────────────────────────────

GRANT SELECT, INSERT, UPDATE ON journal_streams TO rewards_sealer;
GRANT SELECT ON stream_applied TO rewards_sealer;

-- ── a document's revisions are found by hash: half the size, and finding none costs the same however many there are ──

DROP INDEX journal_revisions_by_document;
CREATE INDEX journal_revisions_by_document ON journal_revisions USING hash (document_id);
