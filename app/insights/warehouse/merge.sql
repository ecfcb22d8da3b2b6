-- From the stage into the facts, in the transaction that copied there. Of a document the newest revision stands; one
-- that the ledger redacted leaves. Blocks that are loaded already change nothing, whoever loads them again.
DELETE FROM stage_sales WHERE block <= (SELECT coalesce(max(last_block), -1) FROM warehouse.loads);
DELETE FROM stage_returns WHERE block <= (SELECT coalesce(max(last_block), -1) FROM warehouse.loads);
DELETE FROM stage_documents WHERE block <= (SELECT coalesce(max(last_block), -1) FROM warehouse.loads);

DELETE FROM warehouse.fact_sales USING stage_documents
WHERE stage_documents.kind = 'orders' AND stage_documents.document_id = warehouse.fact_sales.order_id
  AND stage_documents.leaf > warehouse.fact_sales.leaf;
DELETE FROM warehouse.fact_returns USING stage_documents
WHERE stage_documents.kind = 'returns' AND stage_documents.document_id = warehouse.fact_returns.return_id
  AND stage_documents.leaf > warehouse.fact_returns.leaf;

INSERT INTO warehouse.fact_sales (
    leaf, block, order_id, line, member_id, product_id, vendor_id, area, placed_at, business_date, currency, units,
    gross_minor, discount_minor, points_minor, paid_minor
)
SELECT s.leaf, s.block, s.order_id, s.line, s.member_id, s.product_id, s.vendor_id, s.area, s.placed_at, s.business_date,
       s.currency, s.units, s.gross_minor, s.discount_minor, s.points_minor, s.paid_minor
FROM stage_sales s
JOIN (SELECT document_id, max(leaf) AS leaf FROM stage_documents WHERE kind = 'orders' GROUP BY document_id) d
    ON d.document_id = s.order_id
WHERE s.leaf >= d.leaf;
INSERT INTO warehouse.fact_returns (
    leaf, block, return_id, order_id, line, member_id, units, returned_at, business_date
)
SELECT s.leaf, s.block, s.return_id, s.order_id, s.line, s.member_id, s.units, s.returned_at, s.business_date
FROM stage_returns s
JOIN (SELECT document_id, max(leaf) AS leaf FROM stage_documents WHERE kind = 'returns' GROUP BY document_id) d
    ON d.document_id = s.return_id
WHERE s.leaf >= d.leaf;

INSERT INTO warehouse.loads (first_block, last_block, last_hash, tree_size, export_id)
SELECT :first_block, :last_block, :last_hash, :tree_size, :export_id
WHERE :last_block > (SELECT coalesce(max(last_block), -1) FROM warehouse.loads);
