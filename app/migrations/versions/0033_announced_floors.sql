-- The plan that the ledger got last: how many plans there were, and the floors as documents.
CREATE TABLE announced_floors (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    number    bigint NOT NULL,
    floors    jsonb NOT NULL
);
INSERT INTO announced_floors (number, floors) VALUES (0, '[]');
