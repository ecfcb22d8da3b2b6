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

INSERT INTO warehouse.fact_sales
SELECT s.* FROM stage_sales s
JOIN (SELECT document_id, max(leaf) AS leaf FROM stage_documents WHERE kind = 'orders' GROUP BY document_id) d
    ON d.document_id = s.order_id
WHERE s.leaf >= d.leaf;
INSERT INTO warehouse.fact_returns
SELECT s.* FROM stage_returns s
JOIN (SELECT document_id, max(leaf) AS leaf FROM stage_documents WHERE kind = 'returns' GROUP BY document_id) d
    ON d.document_id = s.return_id
WHERE s.leaf >= d.leaf;

INSERT INTO warehouse.loads
SELECT :first_block, :last_block, :last_hash, :tree_size, :export_id
WHERE :last_block > (SELECT coalesce(max(last_block), -1) FROM warehouse.loads);
