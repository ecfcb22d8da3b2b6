"""What to show a member, and what to show beside a product."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from app.catalog import service as catalog
from app.clock import Clock
from app.db import Session
from app.insights.recommendations import repository
from app.insights.recommendations import segments as segmenting
from app.insights.recommendations.models import Candidate, Companion, Recommended
from app.insights.recommendations.repository import Bought

LOOKS_BACK = 100
"""Baskets of a member's own."""
JUST = timedelta(days=2)
"""What was bought that lately is not shown again yet."""
_RECENT = 3
_LATER = 0.1
"""What goes with a basket is rather bought in the same one: of ten that would have been, one is in the next."""
_PRIOR = 16.0
"""Baskets' worth of what anybody buys, in the estimate of what a member buys again."""


def learned_at(session: Session) -> datetime | None:
    """When what goes with what was last learned."""
    return repository.learned_at(session)


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
    segments = segmenting.of_member(session, member_id)
    if not segments.consented:
        return Recommended(personal=False, products=repository.bestsellers(session, [], limit))
    baskets = repository.baskets_of(session, member_id, LOOKS_BACK)
    just = _just_bought(baskets, clock)
    mine = [("income_band", segments.income_band), ("marital_status", segments.marital_status)]
    mine += [("buys_most", department) for department in segments.buys_most]
    many = 4 * limit + len(just)
    found = [  # the most personal reason first
        *repository.again(session, _times(baskets), len(baskets), _PRIOR),
        *repository.bought_together(session, _last(baskets), _LATER, many),
        *repository.of_segments(session, [(kind, segment) for kind, segment in mine if segment], many),
        *repository.bestsellers(session, list(just), limit),
    ]
    return Recommended(personal=True, products=_likeliest([one for one in found if one.product_id not in just], limit))


def _just_bought(baskets: Sequence[Bought], clock: Clock) -> set[UUID]:
    since = clock.now() - JUST
    return {product for basket in baskets if basket.placed_at > since for product in basket.products}


def _times(baskets: Sequence[Bought]) -> dict[UUID, int]:
    return Counter(product for basket in baskets for product in set(basket.products))


def _last(baskets: Sequence[Bought]) -> list[UUID]:
    return [product for basket in baskets[:_RECENT] for product in basket.products]


def _likeliest(found: Sequence[Candidate], limit: int) -> list[Candidate]:
    """Each product once, as likely as its likeliest source says, for the first reason that was found."""
    best: dict[UUID, Candidate] = {}
    for one in found:
        first = best.setdefault(one.product_id, one)
        best[one.product_id] = replace(first, chance=max(first.chance, one.chance))
    return sorted(best.values(), key=lambda one: (-one.chance, one.product_id))[:limit]
