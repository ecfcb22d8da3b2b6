-- The plan that the ledger got last: how many plans there were, the floors as documents, since when it holds, and what the
-- floors of that day had cost before.
CREATE TABLE announced_floors (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    number     bigint NOT NULL,
    floors     jsonb NOT NULL,
    since      timestamptz NOT NULL,
    spent_usd  double precision NOT NULL
);
INSERT INTO announced_floors (number, floors, since, spent_usd) VALUES (0, '[]', '1970-01-01T00:00:00Z', 0);
