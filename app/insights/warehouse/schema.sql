-- The star: facts by order line and by return, and what describes them. Written for Redshift; PostgreSQL takes the same
-- text without the last line of a table, which says where rows lie (`postgresql.py` leaves it out).
--
-- Keys are the platform's own ids, as text: Redshift has no uuid, and ids that never change need no surrogate.
-- Facts lie by member: every model adds up by member, and a return meets its line on the same slice.

CREATE SCHEMA IF NOT EXISTS warehouse;

-- What is loaded, by block; each row commits with the facts of its blocks.
CREATE TABLE IF NOT EXISTS warehouse.loads (
    first_block  bigint NOT NULL,
    last_block   bigint NOT NULL,
    last_hash    varchar(44) NOT NULL,
    tree_size    bigint NOT NULL,
    export_id    varchar(36) NOT NULL
)
DISTSTYLE ALL SORTKEY (last_block);

CREATE TABLE IF NOT EXISTS warehouse.fact_sales (
    leaf            bigint NOT NULL,        -- the revision's number in the ledger
    block           bigint NOT NULL,
    order_id        varchar(36) NOT NULL,
    line            integer NOT NULL,
    member_id       varchar(36) NOT NULL,
    product_id      varchar(36) NOT NULL,
    vendor_id       varchar(36) NOT NULL,
    area            varchar(400),
    placed_at       timestamptz NOT NULL,
    business_date   date NOT NULL,          -- the program's, frozen at the purchase
    currency        char(3) NOT NULL,
    units           bigint NOT NULL,
    gross_minor     bigint NOT NULL,
    discount_minor  bigint NOT NULL,
    points_minor    bigint NOT NULL,
    paid_minor      bigint NOT NULL
)
DISTKEY (member_id) SORTKEY (business_date);

CREATE TABLE IF NOT EXISTS warehouse.fact_returns (
    leaf           bigint NOT NULL,
    block          bigint NOT NULL,
    return_id      varchar(36) NOT NULL,
    order_id       varchar(36) NOT NULL,
    line           integer NOT NULL,
    member_id      varchar(36) NOT NULL,
    units          bigint NOT NULL,
    returned_at    timestamptz NOT NULL,
    business_date  date NOT NULL
)
DISTKEY (member_id) SORTKEY (business_date);

-- No name; income band and marital status only of who consented.
CREATE TABLE IF NOT EXISTS warehouse.dim_member (
    member_id       varchar(36) NOT NULL,
    consented       boolean NOT NULL,
    income_band     varchar(40),
    marital_status  varchar(40)
)
DISTKEY (member_id);

CREATE TABLE IF NOT EXISTS warehouse.dim_product (
    product_id  varchar(36) NOT NULL,
    vendor_id   varchar(36) NOT NULL,
    name        varchar(800) NOT NULL,
    brand       varchar(400) NOT NULL,
    department  varchar(400) NOT NULL,
    category    varchar(400) NOT NULL
)
DISTSTYLE ALL SORTKEY (product_id);

CREATE TABLE IF NOT EXISTS warehouse.dim_vendor (
    vendor_id  varchar(36) NOT NULL,
    name       varchar(800) NOT NULL
)
DISTSTYLE ALL SORTKEY (vendor_id);

-- Business days of the program's zone: [starts_at, ends_at) is 23 or 25 hours where the clocks change.
CREATE TABLE IF NOT EXISTS warehouse.dim_date (
    business_date  date NOT NULL,
    year           integer NOT NULL,
    month          integer NOT NULL,
    week           integer NOT NULL,        -- ISO 8601
    weekday        integer NOT NULL,        -- 1 is Monday
    hours          integer NOT NULL,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL
)
DISTSTYLE ALL SORTKEY (business_date);

-- What sold, less what came back, on the day it was bought. Of a line's price (paid in money or in points) a return
-- takes its units' share, half-even as everywhere.
CREATE OR REPLACE VIEW warehouse.net_sales AS
SELECT priced.order_id, priced.line, priced.member_id, priced.product_id, priced.vendor_id, priced.area,
       priced.business_date, priced.units AS sold_units, priced.returned_units,
       priced.units - priced.returned_units AS units, priced.price_minor AS sold_minor,
       priced.price_minor - (
           priced.price_minor * priced.returned_units / priced.units
           + CASE
                 WHEN 2 * mod(priced.price_minor * priced.returned_units, priced.units) > priced.units THEN 1
                 WHEN 2 * mod(priced.price_minor * priced.returned_units, priced.units) = priced.units
                     THEN mod(priced.price_minor * priced.returned_units / priced.units, 2)
                 ELSE 0
             END
       ) AS revenue_minor
FROM (
    SELECT s.order_id, s.line, s.member_id, s.product_id, s.vendor_id, s.area, s.business_date, s.units,
           s.gross_minor - s.discount_minor AS price_minor, coalesce(r.units, 0) AS returned_units
    FROM warehouse.fact_sales s
    LEFT JOIN (
        SELECT member_id, order_id, line, cast(sum(units) AS bigint) AS units
        FROM warehouse.fact_returns
        GROUP BY member_id, order_id, line
    ) r ON r.member_id = s.member_id AND r.order_id = s.order_id AND r.line = s.line
) priced;

-- What each member is like, made anew by `queries/member_profile.sql`.
CREATE TABLE IF NOT EXISTS warehouse.member_profile (
    member_id    varchar(36) NOT NULL,
    rfm          varchar(20) NOT NULL,
    volume       varchar(20) NOT NULL,
    variety      varchar(20) NOT NULL,
    price_range  varchar(20) NOT NULL,
    brand        varchar(400)
)
DISTKEY (member_id);

-- Where each product stands among its category's prices, made anew by `queries/product_range.sql`.
CREATE TABLE IF NOT EXISTS warehouse.product_range (
    product_id   varchar(36) NOT NULL,
    price_range  varchar(20) NOT NULL
)
DISTSTYLE ALL SORTKEY (product_id);

-- Every segment that a member is in, one a row; income and marital status only of who consented.
CREATE OR REPLACE VIEW warehouse.membership AS
SELECT member_id, 'rfm' AS kind, rfm AS segment FROM warehouse.member_profile
UNION ALL
SELECT member_id, 'volume', volume FROM warehouse.member_profile
UNION ALL
SELECT member_id, 'variety', variety FROM warehouse.member_profile
UNION ALL
SELECT member_id, 'range', price_range FROM warehouse.member_profile
UNION ALL
SELECT member_id, 'income', income_band FROM warehouse.dim_member WHERE income_band IS NOT NULL
UNION ALL
SELECT member_id, 'marital', marital_status FROM warehouse.dim_member WHERE marital_status IS NOT NULL;
