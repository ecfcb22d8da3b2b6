-- Exports that follow each other, cut by block number: together they are the whole ledger, none holds what another does.
-- They begin anew with block 0. The code before goes on with `journal_exports`, which cuts by time, until it is gone:
-- a later schema drops that table.
CREATE TABLE journal_block_exports (
    export_id    uuid PRIMARY KEY,
    first_block  bigint NOT NULL,
    last_block   bigint NOT NULL CHECK (last_block >= first_block),
    completed    boolean NOT NULL DEFAULT false,
    EXCLUDE USING gist (int8range(first_block, last_block, '[]') WITH &&)
);
