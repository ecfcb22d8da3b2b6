-- Take out what was loaded of the blocks after :last_block: a restore of the application's database lost them.
DELETE FROM warehouse.fact_sales WHERE block > :last_block;
DELETE FROM warehouse.fact_returns WHERE block > :last_block;
DELETE FROM warehouse.loads WHERE last_block > :last_block;
