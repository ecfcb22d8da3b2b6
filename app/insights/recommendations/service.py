"""What to show a member, and what to show beside a product."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from app.catalog import service as catalog
from app.clock import Clock
from app.db import Session
from app.insights.recommendations import repository
from app.insights.recommendations.models import Candidate, Companion, Recommended
from app.insights.recommendations.repository import Bought
from app.members import service as members

LOOKS_BACK = 30
"""Baskets of a member's own."""
JUST = timedelta(days=3)
"""What was bought that long ago, or in the newest basket, is not shown again yet."""
_RECENT = 3


def goes_with(session: Session, product_id: UUID, limit: int) -> list[Companion]:
    """Accessories and services to a product: never one of its own category, which would be instead of it.

    Raises NotFound.
    """
    catalog.product(session, product_id)
    return repository.companions(session, product_id, limit)


def recommend(session: Session, member_id: UUID, limit: int, clock: Clock) -> Recommended:
    """What the member's next basket most likely holds, each with its reason, and nothing they just bought.

    Profile and purchases choose only with the member's consent; without it, everybody sees what sells most.
    Raises NotFound where there is no such member.
    """
    segments = members.segments(session, member_id)
    if not segments.consented:
        return Recommended(personal=False, products=repository.bestsellers(session, [], limit))
    baskets = repository.baskets_of(session, member_id, LOOKS_BACK)
    just = _just_bought(baskets, clock)
    mine = [("income_band", segments.income_band), ("marital_status", segments.marital_status)]
    mine += [("buys_most", department) for department in segments.buys_most]
    many = 4 * limit + len(just)
    found = [
        *repository.again(session, _habits(baskets)),
        *repository.bought_together(session, [one for basket in baskets[:_RECENT] for one in basket.products], many),
        *repository.of_segments(session, [(kind, segment) for kind, segment in mine if segment], many),
        *repository.bestsellers(session, list(just), limit),
    ]
    return Recommended(personal=True, products=_likeliest([one for one in found if one.product_id not in just], limit))


def _just_bought(baskets: Sequence[Bought], clock: Clock) -> set[UUID]:
    since = clock.now() - JUST
    return {
        one for place, basket in enumerate(baskets) if not place or basket.placed_at > since for one in basket.products
    }


def _habits(baskets: Sequence[Bought]) -> dict[UUID, tuple[float, int]]:
    """What was bought more than once: in which share of the baskets, as if two more had been without it."""
    counts = Counter(product for basket in baskets for product in set(basket.products))
    return {product: (times / (len(baskets) + 2), times) for product, times in counts.items() if times > 1}


def _likeliest(found: Sequence[Candidate], limit: int) -> list[Candidate]:
    """Each product once, for the reason that makes it likeliest."""
    best: dict[UUID, Candidate] = {}
    for one in found:
        if one.product_id not in best or one.chance > best[one.product_id].chance:
            best[one.product_id] = one
    return sorted(best.values(), key=lambda one: (-one.chance, one.product_id))[:limit]
