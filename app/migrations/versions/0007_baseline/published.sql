-- What the warehouse answers, where the API reads it. Each publication is a generation of rows, written in many small
-- transactions: a long one would hold back the sealer. One row here says which generation counts; all tables change with
-- it at once.

CREATE TABLE insight_published (
    only_one      boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    generation    bigint NOT NULL,
    as_of_block   bigint NOT NULL,
    as_of_date    date NOT NULL,
    published_at  timestamptz NOT NULL
);
CREATE SEQUENCE insight_generations;

CREATE TABLE insight_segment_sizes (
    generation     bigint NOT NULL,
    kind           text NOT NULL,
    segment        text NOT NULL,
    members        bigint NOT NULL CHECK (members >= 10),
    orders         bigint NOT NULL,
    revenue_minor  bigint NOT NULL,
    PRIMARY KEY (generation, kind, segment)
);

CREATE TABLE insight_price_ranges (
    generation     bigint NOT NULL,
    kind           text NOT NULL,
    segment        text NOT NULL,
    price_range    text NOT NULL,
    members        bigint NOT NULL CHECK (members >= 10),
    units          bigint NOT NULL,
    revenue_minor  bigint NOT NULL,
    share          double precision NOT NULL,
    affinity       double precision NOT NULL,
    PRIMARY KEY (generation, kind, segment, price_range)
);

CREATE TABLE insight_brands (
    generation     bigint NOT NULL,
    kind           text NOT NULL,
    segment        text NOT NULL,
    brand          text NOT NULL,
    members        bigint NOT NULL CHECK (members >= 10),
    units          bigint NOT NULL,
    revenue_minor  bigint NOT NULL,
    share          double precision NOT NULL,
    affinity       double precision NOT NULL,
    PRIMARY KEY (generation, kind, segment, brand)
);

CREATE TABLE insight_seasonal (
    generation    bigint NOT NULL,
    kind          text NOT NULL,
    key           text NOT NULL,
    grain         text NOT NULL,
    period        integer NOT NULL,
    units         bigint NOT NULL,
    season_index  double precision NOT NULL,
    PRIMARY KEY (generation, kind, key, grain, period)
);

CREATE TABLE insight_areas (
    generation     bigint NOT NULL,
    area           text NOT NULL,
    kind           text NOT NULL,
    key            text NOT NULL,
    members        bigint NOT NULL CHECK (members >= 10),
    units          bigint NOT NULL,
    revenue_minor  bigint NOT NULL,
    PRIMARY KEY (generation, kind, area, key)
);

CREATE TABLE insight_years (
    generation     bigint NOT NULL,
    year           integer NOT NULL,
    kind           text NOT NULL,
    key            text NOT NULL,
    members        bigint NOT NULL CHECK (members >= 10),
    sold_units     bigint NOT NULL,
    units          bigint NOT NULL,
    revenue_minor  bigint NOT NULL,
    PRIMARY KEY (generation, kind, year, key)
);

-- Of members who consented; gone with the consent at the next publication, and with the member at once.
CREATE TABLE insight_members (
    generation   bigint NOT NULL,
    member_id    uuid NOT NULL,
    rfm          text NOT NULL,
    volume       text NOT NULL,
    variety      text NOT NULL,
    price_range  text NOT NULL,
    brand        text,
    PRIMARY KEY (member_id, generation)
);
