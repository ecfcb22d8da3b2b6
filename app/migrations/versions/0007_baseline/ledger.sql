-- Which ledger this is, and which servers it has lived on.

CREATE TABLE journal_ledger (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    ledger_id  uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO journal_ledger DEFAULT VALUES;

-- A dump restored on another server meets transaction ids that begin anew; `base` keeps ours growing.
CREATE TABLE journal_epochs (
    epoch              smallint PRIMARY KEY,
    system_identifier  bigint NOT NULL,
    base               bigint NOT NULL UNIQUE,  -- epoch × 2⁴⁸, added to every transaction id
    opened_at          timestamptz NOT NULL DEFAULT now()
);
INSERT INTO journal_epochs (epoch, system_identifier, base) SELECT 0, system_identifier, 0 FROM pg_control_system();

-- ── revisions ───────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE journal_revisions (
    revision_id  bigint GENERATED ALWAYS AS IDENTITY,
    tx_id        bigint NOT NULL DEFAULT 0 + pg_current_xact_id()::text::bigint,
    tx_time      timestamptz NOT NULL DEFAULT now(),
    table_name   text NOT NULL,
    document_id  text NOT NULL,
    salt         bytea,
    data         json,         -- json, not jsonb: the exact bytes are what is hashed
    data_hash    bytea,        -- H(salt ‖ data), once both are erased
    PRIMARY KEY (tx_id, revision_id),
    CONSTRAINT whole_or_erased CHECK ((data IS NULL) = (salt IS NULL) AND (data IS NULL) = (data_hash IS NOT NULL))
);
-- By hash: half the size of a tree, and finding none costs the same however many revisions there are.
CREATE INDEX journal_revisions_by_document ON journal_revisions USING hash (document_id);

-- ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE journal_blocks (
    sequence       bigint PRIMARY KEY,
    first_leaf     bigint NOT NULL,
    tree_size      bigint NOT NULL UNIQUE CHECK (tree_size > first_leaf),
    tx_from        bigint NOT NULL,         -- it holds the revisions of transactions [tx_from, tx_before),
    tx_before      bigint NOT NULL UNIQUE,  -- in the order of (tx_id, revision_id)
    sealed_at      timestamptz NOT NULL,
    root           bytea NOT NULL,          -- RFC 6962 root of all leaves up to tree_size
    previous_hash  bytea NOT NULL,
    hash           bytea NOT NULL,
    nodes          bytea STORAGE EXTERNAL NOT NULL,  -- 32 bytes each: a leaf, then the subtrees that it completes, …
    versions       bytea NOT NULL CHECK (octet_length(versions) = 4 * (tree_size - first_leaf))
);

-- How many sealed revisions a document has, for those with more than one: the next version without a count.
CREATE TABLE journal_versions (
    document_id  text NOT NULL,
    table_name   text NOT NULL,
    revisions    integer NOT NULL CHECK (revisions > 1),
    PRIMARY KEY (document_id, table_name)
) WITH (fillfactor = 70);

-- ── the way out: streams to Kinesis, exports to the archive ─────────────────────────────────────────────────────────

-- Blocks sealed in [inclusive_start, exclusive_end).
CREATE TABLE journal_streams (
    name             text PRIMARY KEY,
    kinesis          text NOT NULL,
    inclusive_start  timestamptz,
    exclusive_end    timestamptz,
    next_block       bigint,       -- the first that was not sent; null before anything was
    kinesis_made_at  timestamptz,  -- one made anew under the same name is another stream
    completed        boolean NOT NULL DEFAULT false,
    CHECK (inclusive_start < exclusive_end)
);

-- Exports follow each other: each begins where the one before ended.
CREATE TABLE journal_exports (
    export_id        uuid PRIMARY KEY,
    inclusive_start  timestamptz NOT NULL UNIQUE,
    exclusive_end    timestamptz NOT NULL UNIQUE CHECK (exclusive_end > inclusive_start),
    completed        boolean NOT NULL DEFAULT false
);

-- ── the journal only grows; of a revision, data and salt may be erased ──────────────────────────────────────────────

CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the journal only grows', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON journal_revisions
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_blocks
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();

CREATE FUNCTION journal_only_erases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.data IS NULL AND NEW.salt IS NULL AND NEW.data_hash = sha256(OLD.salt || json_send(OLD.data))
       AND (NEW.revision_id, NEW.tx_id, NEW.tx_time, NEW.table_name, NEW.document_id)
         = (OLD.revision_id, OLD.tx_id, OLD.tx_time, OLD.table_name, OLD.document_id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE on % is refused: the journal only grows', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER only_erased BEFORE UPDATE ON journal_revisions FOR EACH ROW EXECUTE FUNCTION journal_only_erases();

-- Erases a document's revisions and journals who and why, and what is left of it, in the transaction of its caller.
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

-- ── a restored dump takes no revisions until its next epoch is open ─────────────────────────────────────────────────

CREATE FUNCTION journal_knows_its_server() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Once a session: reading the server's control file costs as much as the insert.
    IF current_setting('journal.server_is_known', true) IS DISTINCT FROM 'yes' THEN
        IF (SELECT system_identifier FROM pg_control_system())
           <> (SELECT system_identifier FROM journal_epochs ORDER BY epoch DESC LIMIT 1) THEN
            RAISE EXCEPTION 'the journal was restored from another server: start a sealer, which opens its next epoch'
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        PERFORM set_config('journal.server_is_known', 'yes', false);
    END IF;
    RETURN NULL;
END $$;
-- Asked here too, so that a session which knows its server does not enter the function.
CREATE TRIGGER known_server BEFORE INSERT ON journal_revisions
    FOR EACH STATEMENT WHEN (current_setting('journal.server_is_known', true) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION journal_knows_its_server();

CREATE FUNCTION journal_open_epoch() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    here bigint := (SELECT system_identifier FROM pg_control_system());
    next smallint;
BEGIN
    IF here = (SELECT system_identifier FROM journal_epochs ORDER BY epoch DESC LIMIT 1) THEN
        RETURN;
    END IF;
    LOCK TABLE journal_revisions IN ACCESS EXCLUSIVE MODE;
    INSERT INTO journal_epochs (epoch, system_identifier, base)
    SELECT max(epoch) + 1, here, (max(epoch) + 1)::bigint << 48 FROM journal_epochs RETURNING epoch INTO next;
    EXECUTE format('ALTER TABLE journal_revisions ALTER COLUMN tx_id SET DEFAULT %s + pg_current_xact_id()::text::bigint',
                   next::bigint << 48);
END $$;

-- ── nobody logs in as who owns the journal ──────────────────────────────────────────────────────────────────────────

ALTER TABLE journal_ledger OWNER TO rewards_owner;
ALTER TABLE journal_epochs OWNER TO rewards_owner;
ALTER TABLE journal_revisions OWNER TO rewards_owner;
ALTER TABLE journal_blocks OWNER TO rewards_owner;
ALTER TABLE journal_versions OWNER TO rewards_owner;
ALTER FUNCTION journal_redact OWNER TO rewards_owner;
ALTER FUNCTION journal_open_epoch OWNER TO rewards_owner;
