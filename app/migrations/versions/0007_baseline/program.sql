CREATE TABLE program (
    only_one              boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    name                  text NOT NULL,
    currency              char(3) NOT NULL,
    time_zone             text NOT NULL,
    minor_per_100_points  bigint NOT NULL CHECK (minor_per_100_points > 0),
    return_window_days    integer NOT NULL CHECK (return_window_days BETWEEN 0 AND 365),
    expire_after_days     integer CHECK (expire_after_days > 0),
    return_policy         text NOT NULL CHECK (return_policy IN ('only_pending', 'within_balance', 'negative')),
    earning_base          text NOT NULL DEFAULT 'net' CHECK (earning_base IN ('gross', 'net')),
    version               text NOT NULL DEFAULT '0'  -- the transaction that changed program, rules or offers last
);
INSERT INTO program (name, currency, time_zone, minor_per_100_points, return_window_days, expire_after_days,
                     return_policy)
VALUES ('Rewards', 'USD', 'America/New_York', 100, 14, 730, 'within_balance');

-- What a process remembers of rules and offers is true as long as the program's version stands.
CREATE FUNCTION program_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE program SET version = pg_current_xact_id()::text WHERE version <> pg_current_xact_id()::text;
    RETURN NULL;
END $$;
CREATE TRIGGER moves AFTER UPDATE OF name, currency, time_zone, minor_per_100_points, return_window_days,
    expire_after_days, return_policy, earning_base ON program FOR EACH STATEMENT EXECUTE FUNCTION program_moves();
