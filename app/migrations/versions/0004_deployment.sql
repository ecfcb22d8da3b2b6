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

-- ── what is left of an erased document, in the transaction that erases the rest ─────────────────────────────────────

DROP FUNCTION journal_redact(text, text, text, text);
CREATE FUNCTION journal_redact(of_table text, of_document text, by_whom text, why text, leaving text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE erased bigint;
BEGIN
    UPDATE journal_revisions SET data_hash = sha256(salt || json_send(data)), salt = NULL, data = NULL
    WHERE document_id = of_document AND table_name = of_table AND data IS NOT NULL;
    GET DIAGNOSTICS erased = ROW_COUNT;
    IF erased > 0 THEN
        INSERT INTO journal_revisions (table_name, document_id, salt, data)
        VALUES ('redactions', of_table || '/' || of_document, uuid_send(gen_random_uuid()),
                json_build_object('by', by_whom, 'login', session_user, 'reason', why, 'revisions', erased));
        INSERT INTO journal_revisions (table_name, document_id, salt, data)
        SELECT of_table, of_document, uuid_send(gen_random_uuid()), leaving::json WHERE leaving IS NOT NULL;
    END IF;
    RETURN erased;
END $$;
ALTER FUNCTION journal_redact OWNER TO rewards_owner;
REVOKE ALL ON FUNCTION journal_redact FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journal_redact TO rewards_redactor;

-- ── once a session has seen its server, an append does not enter the function again ─────────────────────────────────

DROP TRIGGER known_server ON journal_revisions;
CREATE TRIGGER known_server BEFORE INSERT ON journal_revisions
    FOR EACH STATEMENT WHEN (current_setting('journal.server_is_known', true) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION journal_knows_its_server();
