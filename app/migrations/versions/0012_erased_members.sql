ALTER TABLE members ADD COLUMN IF NOT EXISTS erased_at timestamptz;

-- The reference to the member is checked before, row by row: that waits for an erasure which is being written, and an
-- erasure waits for it. So what is written here was written before the mark, or meets it.
CREATE OR REPLACE FUNCTION refuse_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM written w JOIN members m USING (member_id)
               WHERE m.erased_at IS NOT NULL AND to_jsonb(w) ->> 'kind' IS DISTINCT FROM 'clawback') THEN
        RAISE EXCEPTION 'the member was erased'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'members_erased';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER refuse_erased AFTER INSERT ON orders REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_erased();
CREATE OR REPLACE TRIGGER refuse_erased AFTER INSERT ON claims REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_erased();
CREATE OR REPLACE TRIGGER refuse_erased AFTER INSERT ON redemptions REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_erased();
CREATE OR REPLACE TRIGGER refuse_erased AFTER INSERT ON subscriptions REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_erased();
