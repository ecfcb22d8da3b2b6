-- Each row holds from its time until the next one's. What was said before nobody kept: the first row stands for it.
CREATE TABLE program_history (
    since                 timestamptz PRIMARY KEY,
    time_zone             text NOT NULL,
    minor_per_100_points  bigint NOT NULL
);
INSERT INTO program_history (since, time_zone, minor_per_100_points)
SELECT '1970-01-01Z', time_zone, minor_per_100_points FROM program;
