"""Learn from the newest baskets (orders) which products are bought together, and which a segment of members buys.

A pair of products counts if three or more baskets contain both, their categories differ (products of one category are
substitutes), they share a basket more often than by chance, and the G² statistic is at least 28, which chance reaches
once in ten million pairs (Dunning 1993). Order lines that were returned in full don't count. A pair's lift is shrunk
towards 1, as if five more baskets had behaved as chance predicts, so that rare pairs rank low.
"""

from app import locks
from app.clock import Clock
from app.db import Database
from app.insights.recommendations.models import FEWEST_MEMBERS, MOST_BASKETS, Learned

_THRESHOLDS = {
    "fewest_baskets": 5,
    "fewest_together": 3,
    "fewest_members": FEWEST_MEMBERS,
    "least_g2": 28.0,
    "prior": 5.0,
    "companions": 20,
    "buys_most": 3,
}
_FORGET = """
    DELETE FROM stream_baskets WHERE placed_at <= (
        SELECT placed_at FROM stream_baskets ORDER BY placed_at DESC OFFSET %(most)s LIMIT 1)
"""
_LINES = """
    CREATE TEMP TABLE lines ON COMMIT DROP AS
    WITH came_back AS MATERIALIZED (
        SELECT order_id, r.product_id FROM lines_returned_whole r JOIN stream_baskets USING (order_id)
    )
    SELECT b.sequence, b.member_id, p.product_id, p.category_id
    FROM stream_baskets b, unnest(b.products) AS bought (product_id) JOIN catalogue p USING (product_id)
    WHERE NOT EXISTS (SELECT FROM came_back c WHERE c.order_id = b.order_id AND c.product_id = p.product_id)
"""
_POPULAR = """
    INSERT INTO popular_products (product_id, category_id, baskets)
    SELECT product_id, category_id, count(*) FROM lines GROUP BY 1, 2 HAVING count(*) >= %(fewest_baskets)s
"""
_SCORED = """
    , scored AS (
        SELECT a, b, together, a_baskets, b_baskets,
               (together + %(prior)s) / (a_baskets::float8 * b_baskets / %(baskets)s + %(prior)s) AS lift
        FROM pairs
        WHERE together > a_baskets::float8 * b_baskets / %(baskets)s
          AND log_likelihood(together, a_baskets, b_baskets, %(baskets)s) >= %(least_g2)s
    ), both_ways AS (
        SELECT a AS from_, b AS to_, together, a_baskets AS baskets, lift FROM scored
        UNION ALL SELECT b, a, together, b_baskets, lift FROM scored
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY from_ ORDER BY lift DESC, together DESC, to_) AS place FROM both_ways
    )
    SELECT from_, to_, together, baskets, lift FROM ranked WHERE place <= %(companions)s
"""
_PRODUCT_PAIRS = f"""
    INSERT INTO product_affinity (product_id, companion_id, together, baskets, lift)
    WITH few AS MATERIALIZED (SELECT l.* FROM lines l JOIN popular_products USING (product_id)),
    counted AS (
        SELECT x.product_id AS a, y.product_id AS b, count(*) AS together
        FROM few x JOIN few y ON x.sequence = y.sequence AND x.product_id < y.product_id
                                 AND x.category_id <> y.category_id
        GROUP BY 1, 2 HAVING count(*) >= %(fewest_together)s
    ), pairs AS (
        SELECT a, b, together, p.baskets AS a_baskets, q.baskets AS b_baskets
        FROM counted JOIN popular_products p ON p.product_id = a JOIN popular_products q ON q.product_id = b
    ) {_SCORED}
"""
_CATEGORY_PAIRS = f"""
    INSERT INTO category_affinity (category_id, companion_id, together, baskets, lift)
    WITH few AS MATERIALIZED (SELECT DISTINCT sequence, category_id FROM lines),
    sizes AS (SELECT category_id, count(*) AS baskets FROM few GROUP BY 1),
    counted AS (
        SELECT x.category_id AS a, y.category_id AS b, count(*) AS together
        FROM few x JOIN few y ON x.sequence = y.sequence AND x.category_id < y.category_id
        GROUP BY 1, 2 HAVING count(*) >= %(fewest_together)s
    ), pairs AS (
        SELECT a, b, together, p.baskets AS a_baskets, q.baskets AS b_baskets
        FROM counted JOIN sizes p ON p.category_id = a JOIN sizes q ON q.category_id = b
    ) {_SCORED}
"""
# A member without consent is in no segment.
_SEGMENTS = """
    INSERT INTO segment_products (kind, segment, product_id, members, share)
    WITH departments AS (
        SELECT l.member_id, c.department, row_number() OVER (
                   PARTITION BY l.member_id ORDER BY count(*) DESC, c.department) AS place
        FROM lines l JOIN category_names c USING (category_id) GROUP BY 1, 2
    ), belongs AS (
        SELECT m.member_id, s.kind, s.segment
        FROM consenting_members m, LATERAL (
            VALUES ('income_band', m.income_band), ('marital_status', m.marital_status)
        ) AS s (kind, segment)
        WHERE s.segment IS NOT NULL
        UNION ALL
        SELECT d.member_id, 'buys_most', d.department FROM departments d JOIN consenting_members USING (member_id)
        WHERE d.place <= %(buys_most)s
    ), sizes AS (
        SELECT kind, segment, count(DISTINCT sequence) AS baskets
        FROM lines JOIN belongs USING (member_id) GROUP BY 1, 2
    )
    SELECT kind, segment, product_id, count(DISTINCT member_id), count(*)::float8 / min(s.baskets)
    FROM lines JOIN belongs USING (member_id) JOIN sizes s USING (kind, segment)
    GROUP BY 1, 2, 3 HAVING count(DISTINCT member_id) >= %(fewest_members)s
"""


def learn(db: Database, clock: Clock) -> Learned:
    """Replace the learned product affinity in one transaction, so that readers see either the old or the new one."""
    with db.write() as session:
        session.run("SELECT pg_advisory_xact_lock(%s)", (locks.LEARNING,))  # parallel runs wait for each other
        session.run("SET LOCAL plan_cache_mode = auto")
        session.run("SET LOCAL work_mem = '256MB'")
        session.run(_FORGET, {"most": MOST_BASKETS})
        session.run(_LINES)
        session.run("ANALYZE lines")
        values = {**_THRESHOLDS, "baskets": session.value("SELECT count(DISTINCT sequence) FROM lines")}
        for table in ("product_affinity", "category_affinity", "popular_products", "segment_products"):
            session.run(f"DELETE FROM {table}")
        for statement in (_POPULAR, _PRODUCT_PAIRS, _CATEGORY_PAIRS, _SEGMENTS):
            session.run(statement, values)
        learned = session.one(
            Learned,
            """INSERT INTO learned (baskets, newest, learned_at) SELECT count(*), max(placed_at), %s FROM stream_baskets
               ON CONFLICT (only_one) DO UPDATE SET
                   baskets = excluded.baskets, newest = excluded.newest, learned_at = excluded.learned_at
               RETURNING baskets, newest, (SELECT count(*) FROM product_affinity) AS pairs,
                   (SELECT count(*) FROM category_affinity) AS category_pairs,
                   (SELECT count(*) FROM segment_products) AS segment_cells""",
            (clock.now(),),
        )
        assert learned is not None  # noqa: S101  the INSERT returns its row
        return learned
