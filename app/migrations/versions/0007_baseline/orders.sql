CREATE TABLE orders (
    order_id        uuid PRIMARY KEY,
    member_id       uuid NOT NULL REFERENCES members,
    placed_at       timestamptz NOT NULL,
    business_date   date NOT NULL,
    currency        char(3) NOT NULL,
    gross_minor     bigint NOT NULL,
    discount_minor  bigint NOT NULL,
    points_minor    bigint NOT NULL,    -- what points paid of it
    paid_minor      bigint NOT NULL CHECK (paid_minor = gross_minor - discount_minor - points_minor AND paid_minor >= 0),
    points_spent    bigint NOT NULL CHECK (points_spent >= 0),
    area            text,
    reference       text
);
CREATE INDEX orders_by_member ON orders (member_id, order_id);

-- Its product is not a foreign key: products are never deleted, and checking each row again cost a tenth of an order.
CREATE TABLE order_lines (
    order_id            uuid NOT NULL REFERENCES orders,
    line                smallint NOT NULL,
    product_id          uuid NOT NULL,
    vendor_id           uuid NOT NULL,
    units               integer NOT NULL CHECK (units > 0),
    gross_minor         bigint NOT NULL,
    discount_minor      bigint NOT NULL,
    points_minor        bigint NOT NULL,
    paid_minor          bigint NOT NULL CHECK (paid_minor = gross_minor - discount_minor - points_minor AND paid_minor >= 0),
    return_window_days  integer NOT NULL,
    matures_on          date NOT NULL,
    returned_units      integer NOT NULL DEFAULT 0
                        CONSTRAINT not_more_than_bought CHECK (returned_units BETWEEN 0 AND units),
    PRIMARY KEY (order_id, line)
);

CREATE TABLE returns (
    return_id    uuid PRIMARY KEY,
    order_id     uuid NOT NULL,
    line         smallint NOT NULL,
    units        integer NOT NULL CHECK (units > 0),
    returned_at  timestamptz NOT NULL,
    reason       text NOT NULL,
    points       bigint NOT NULL,        -- taken back, pending and confirmed together
    FOREIGN KEY (order_id, line) REFERENCES order_lines
);
CREATE INDEX returns_by_order ON returns (order_id, line);
