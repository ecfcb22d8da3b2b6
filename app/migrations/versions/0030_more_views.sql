-- A column more, for statements of points.
CREATE OR REPLACE VIEW sold_lines AS
    SELECT o.order_id, l.line, o.member_id, o.placed_at, o.area, l.product_id, l.units
    FROM orders o JOIN order_lines l USING (order_id);
CREATE OR REPLACE VIEW units_returned AS
    SELECT r.order_id, r.line, o.member_id, l.product_id, r.units, r.points, r.returned_at, r.reason
    FROM returns r JOIN orders o USING (order_id) JOIN order_lines l USING (order_id, line);

CREATE OR REPLACE VIEW offer_names AS
    SELECT offer_id, name FROM offers;

-- Those that moved points, and what moved back when they were reversed.
CREATE OR REPLACE VIEW booked_corrections AS
    SELECT correction_id, member_id, points, reason, booked_at, closing_points, closing_reason, closed_at
    FROM corrections WHERE booked_at IS NOT NULL;

CREATE OR REPLACE VIEW discounts_allowed AS
    SELECT t.vendor_id, p.product_id, f.floor_minor, t.mode, t.percent, t.most_products, t.budget_minor
    FROM price_floors f JOIN catalogue p USING (product_id) JOIN discount_terms t USING (vendor_id)
    WHERE t.mode <> 'off';
CREATE OR REPLACE VIEW discounts_by_hour AS
    SELECT hour, product_id, vendor_id, state, expected, list_minor, price_minor FROM hourly_discounts;
