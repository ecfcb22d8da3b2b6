-- One row: the newest digest that lies outside the database, and when it was last seen to it that it does.
CREATE TABLE IF NOT EXISTS journal_anchors (
    only_one     boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    tree_size    bigint NOT NULL,
    key          text NOT NULL,
    anchored_at  timestamptz NOT NULL
);
