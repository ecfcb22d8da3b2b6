-- Views that a statement of another package joins. The planner reads them as if their tables stood there, and leaves out
-- the left joins that a statement needs no column of.
CREATE OR REPLACE VIEW program_terms AS
    SELECT version, time_zone, currency, return_policy, return_window_days, return_terms FROM program;

CREATE OR REPLACE VIEW erased_members AS
    SELECT member_id, erased_at FROM members WHERE erased_at IS NOT NULL;
CREATE OR REPLACE VIEW consenting_members AS
    SELECT member_id, income_band, marital_status FROM members WHERE consented_at IS NOT NULL;

-- Tax ids, addresses and secrets stay the vendors' own.
CREATE OR REPLACE VIEW sellers AS
    SELECT vendor_id, name, state FROM vendors;

CREATE OR REPLACE VIEW category_names AS
    SELECT category_id, department, name FROM categories;
CREATE OR REPLACE VIEW catalogue AS
    SELECT p.product_id, p.vendor_id, p.name, p.brand, p.category_id, c.department, c.name AS category, p.price_minor,
           p.active, s.on_hand
    FROM products p LEFT JOIN categories c USING (category_id) LEFT JOIN product_stock s USING (product_id);

CREATE OR REPLACE VIEW sold_lines AS
    SELECT o.order_id, l.line, o.member_id, o.placed_at, o.area, l.product_id
    FROM orders o JOIN order_lines l USING (order_id);
-- A line whose last unit came back once for each of its returns.
CREATE OR REPLACE VIEW lines_returned_whole AS
    SELECT order_id, line, l.product_id FROM returns r JOIN order_lines l USING (order_id, line)
    WHERE l.returned_units = l.units;

-- How many revisions each consumer of the stream applied, and the first leaf of the ledger that it lacks. A chunk is
-- 8,192 leaves.
CREATE OR REPLACE VIEW stream_applied AS
    SELECT p.consumer,
           8192 * coalesce((SELECT sum(upper(r) - lower(r)) FROM unnest(p.full_chunks) r), 0)
               + coalesce((SELECT sum(bit_count(s.bits)) FROM stream_seen s WHERE s.consumer = p.consumer), 0)
               AS revisions,
           8192 * p.first_not_full + coalesce(
               (SELECT min(place) FROM stream_seen s, generate_series(0, 8191) AS place
                WHERE s.consumer = p.consumer AND s.chunk = p.first_not_full AND get_bit(s.bits, place) = 0), 0)
               AS first_missing
    FROM (SELECT consumer, full_chunks,
                 coalesce((SELECT upper(r) FROM unnest(full_chunks) r WHERE r @> 0::int8), 0) AS first_not_full
          FROM stream_progress) p;

CREATE OR REPLACE VIEW last_night AS
    SELECT started_at FROM nightly_runs ORDER BY business_date DESC, started_at DESC LIMIT 1;
