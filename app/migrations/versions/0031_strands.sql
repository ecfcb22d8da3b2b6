-- After a restore of the database the journal goes on in a new strand, so that its blocks are told apart from lost ones
-- of the same numbers. A strand's blocks begin with first_block, and end where the next strand begins.
CREATE TABLE journal_strands (
    strand       text PRIMARY KEY,
    first_block  bigint NOT NULL,
    first_leaf   bigint NOT NULL,
    opened_at    timestamptz NOT NULL DEFAULT now()
);
INSERT INTO journal_strands (strand, first_block, first_leaf, opened_at)
SELECT 'journal', 0, 0, min(opened_at) FROM journal_epochs;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_strands
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
ALTER TABLE journal_strands OWNER TO rewards_owner;
