-- Shredded revisions arrive here and are gone with the connection.
LOCK TABLE warehouse.loads;
CREATE TEMP TABLE stage_sales (LIKE warehouse.fact_sales);
CREATE TEMP TABLE stage_returns (LIKE warehouse.fact_returns);
CREATE TEMP TABLE stage_documents (
    leaf         bigint NOT NULL,
    block        bigint NOT NULL,
    kind         varchar(20) NOT NULL,
    document_id  varchar(36) NOT NULL
);
