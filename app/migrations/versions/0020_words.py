"""Products are found by words without accents or case, by their SKU, and by the beginnings of words."""

from alembic import op

from app.migrations.versions import run_sql

revision = "0020"
down_revision = "0019"

_BATCH = 1_000
# In the order of an index, so that neighbours of a category stay together on their new pages; the trigger fills in.
_FILL = f"""
    WITH batch AS (
        SELECT category_id, name, product_id FROM products
        WHERE (category_id, name, product_id) > (%s::uuid, %s::text, %s::uuid)
        ORDER BY category_id, name, product_id LIMIT {_BATCH}
    ), filled AS (
        UPDATE products p SET words = NULL FROM batch WHERE p.product_id = batch.product_id AND p.words IS NULL
    )
    SELECT category_id::text, name, product_id::text FROM batch ORDER BY category_id DESC, name DESC, product_id DESC
    LIMIT 1
"""
_FIRST = ("00000000-0000-0000-0000-000000000000", "", "00000000-0000-0000-0000-000000000000")


def upgrade() -> None:
    run_sql(__file__)
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        last = _FIRST
        while row := connection.exec_driver_sql(_FILL, last).fetchone():
            last = tuple(row)
