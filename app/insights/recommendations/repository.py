"""SQL that finds products to recommend: only products that are active, in stock, and of an active vendor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.db import Session
from app.insights.recommendations.models import Candidate, Companion

_ON_SALE = """
    JOIN catalogue p ON p.product_id = c.product_id AND p.active AND p.on_hand > 0
    JOIN sellers v ON v.vendor_id = p.vendor_id AND v.state = 'active'
"""


@dataclass(frozen=True)
class Bought:
    """One of a member's orders: when it was placed, and its products."""

    placed_at: datetime
    products: list[UUID]


def learned_at(session: Session) -> datetime | None:
    at: datetime | None = session.value("SELECT learned_at FROM learned")
    return at


def baskets_of(session: Session, member_id: UUID, limit: int) -> list[Bought]:
    """Return a member's newest orders, newest first."""
    return session.all(
        Bought,
        "SELECT placed_at, products FROM stream_baskets WHERE member_id = %s ORDER BY placed_at DESC LIMIT %s",
        (member_id, limit),
    )


def companions(session: Session, product_id: UUID, limit: int) -> list[Companion]:
    """Return products bought with this one, then bestsellers of related categories, then of any other category."""
    return session.all(
        Companion,
        f"""WITH own AS (SELECT product_id, category_id FROM catalogue WHERE product_id = %(product)s), companions AS (
                SELECT 1 AS rank, a.companion_id AS product_id, 'together' AS why, '' AS detail, a.together, a.baskets,
                       a.lift
                FROM product_affinity a JOIN own USING (product_id)
                UNION ALL
                SELECT 2, best.product_id, 'category', k.name, a.together, a.baskets, a.lift
                FROM category_affinity a JOIN own USING (category_id)
                JOIN category_names k ON k.category_id = a.companion_id
                JOIN LATERAL (SELECT product_id FROM popular_products b WHERE b.category_id = a.companion_id
                              ORDER BY baskets DESC, product_id LIMIT 1) best ON true
                UNION ALL
                (SELECT 3, b.product_id, 'bestseller', '', 0, b.baskets, 1
                 FROM popular_products b, own WHERE b.category_id <> own.category_id
                 ORDER BY b.baskets DESC, b.product_id LIMIT 100)
            ), c AS (
                SELECT DISTINCT ON (product_id) * FROM companions WHERE product_id <> %(product)s
                ORDER BY product_id, rank, lift DESC
            )
            SELECT p.product_id, p.name, p.price_minor, c.why,
                   CASE c.why WHEN 'together' THEN 'in ' || together || ' of ' || baskets || ' baskets with it'
                              WHEN 'category' THEN 'often bought with ' || c.detail
                              ELSE 'in ' || baskets || ' baskets' END AS detail,
                   c.together, c.lift
            FROM c {_ON_SALE}
            ORDER BY c.rank, CASE WHEN c.why = 'bestseller' THEN baskets END DESC, c.lift DESC, p.product_id
            LIMIT %(limit)s""",
        {"product": product_id, "limit": limit},
    )


def bestsellers(session: Session, besides: Sequence[UUID], limit: int) -> list[Candidate]:
    return session.all(
        Candidate,
        f"""SELECT p.product_id, p.name, p.price_minor, 'bestseller' AS why, 'many buy it' AS detail,
                   c.baskets::float8 / greatest((SELECT baskets FROM learned), 1) AS chance
            FROM popular_products c {_ON_SALE}
            WHERE c.product_id <> ALL(%s) ORDER BY c.baskets DESC, p.product_id LIMIT %s""",
        (list(besides), limit),
    )


def bought_together(session: Session, bought: Sequence[UUID], later: float, limit: int) -> list[Candidate]:
    """Return products (companions) often bought together with one of `bought`.

    `chance` is the share of orders with the bought product that also contain the companion, multiplied by `later`. This
    factor is below 1: a member buys the companion less often in a later order than in the same one.
    """
    return session.all(
        Candidate,
        f"""WITH c AS (
                SELECT DISTINCT ON (companion_id) companion_id AS product_id, product_id AS with_,
                       %(later)s * together / baskets AS chance
                FROM product_affinity WHERE product_id = ANY(%(bought)s) ORDER BY companion_id, chance DESC
            )
            SELECT p.product_id, p.name, p.price_minor, 'together' AS why,
                   (SELECT name FROM catalogue w WHERE w.product_id = with_) AS detail, c.chance
            FROM c {_ON_SALE} ORDER BY c.chance DESC, p.product_id LIMIT %(limit)s""",
        {"bought": list(bought), "later": later, "limit": limit},
    )


def of_segments(session: Session, segments: Sequence[tuple[str, str]], limit: int) -> list[Candidate]:
    """Return products that the members of the segments (kind, name) buy.

    `chance` is the share of the segment's orders that have the product.
    """
    kinds, names = [kind for kind, _ in segments], [name for _, name in segments]
    return session.all(
        Candidate,
        f"""WITH c AS (
                SELECT DISTINCT ON (product_id) product_id, kind, segment, share AS chance
                FROM segment_products JOIN unnest(%(kinds)s::text[], %(names)s::text[]) AS mine (kind, segment)
                     USING (kind, segment) ORDER BY product_id, share DESC
            )
            SELECT p.product_id, p.name, p.price_minor, 'segment' AS why, c.kind || ' ' || c.segment AS detail, c.chance
            FROM c {_ON_SALE} ORDER BY c.chance DESC, p.product_id LIMIT %(limit)s""",
        {"kinds": kinds, "names": names, "limit": limit},
    )


def again(session: Session, times: dict[UUID, int], baskets: int, prior: float) -> list[Candidate]:
    """Return products that a member bought before; `times` maps each to how many of the member's `baskets` have it.

    `chance` is a weighted mean of two shares of orders that have the product: the member's own orders, with weight
    `baskets`, and the orders of all members, with weight `prior`.
    """
    return session.all(
        Candidate,
        f"""WITH c AS (
                SELECT mine.*, (times + %(prior)s * coalesce(b.baskets, 0) / greatest((SELECT baskets FROM learned), 1))
                               / (%(baskets)s + %(prior)s) AS chance
                FROM unnest(%(products)s::uuid[], %(times)s::int[]) AS mine (product_id, times)
                LEFT JOIN popular_products b USING (product_id)
            )
            SELECT p.product_id, p.name, p.price_minor, 'again' AS why,
                   'in ' || c.times || ' of your last ' || %(baskets)s || ' baskets' AS detail, c.chance
            FROM c {_ON_SALE} ORDER BY c.chance DESC, p.product_id""",
        {"products": list(times), "times": list(times.values()), "baskets": baskets, "prior": prior},
    )
