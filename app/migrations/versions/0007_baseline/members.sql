CREATE TABLE members (
    member_id       uuid PRIMARY KEY,
    name            text NOT NULL,
    income_band     text,
    marital_status  text CHECK (marital_status IN ('married', 'unmarried')),
    consented_at    timestamptz,
    joined_at       timestamptz NOT NULL
);
