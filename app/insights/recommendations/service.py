"""Recommend products to a member, and companions to a product."""

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
"""How many of a member's newest baskets are read."""
JUST = timedelta(days=2)
"""How long a product bought is not recommended again."""
_RECENT = 3
_LATER = 0.1
"""Chance that a companion is bought in a later basket, over the chance that it is bought in the same one."""
_PRIOR = 16.0
"""Weight of everybody's purchases, in baskets, when estimating a member's repeat purchases."""


def learned_at(session: Session) -> datetime | None:
    """Return when affinity was last learned; None before."""
    return repository.learned_at(session)


def goes_with(session: Session, product_id: UUID, limit: int) -> list[Companion]:
    """Return accessories and services for a product, none of its own category: those would replace it.

    Raises NotFound.
    """
    catalog.product(session, product_id)
    return repository.companions(session, product_id, limit)


def recommend(session: Session, member_id: UUID, limit: int, clock: Clock) -> Recommended:
    """Return the products that the member's next basket most likely holds, with reasons, except recent purchases.

    Uses profile and purchases only with the member's consent; without it, returns the bestsellers. Raises NotFound.
    """
    segments = segmenting.of_member(session, member_id)
    if not segments.consented:
        return Recommended(personal=False, products=repository.bestsellers(session, [], limit))
    baskets = repository.baskets_of(session, member_id, LOOKS_BACK)
    recent = _just_bought(baskets, clock)
    mine = [("income_band", segments.income_band), ("marital_status", segments.marital_status)]
    mine += [("buys_most", department) for department in segments.buys_most]
    enough = 4 * limit + len(recent)
    candidates = [  # the most personal reason first
        *repository.again(session, _times(baskets), len(baskets), _PRIOR),
        *repository.bought_together(session, _last(baskets), _LATER, enough),
        *repository.of_segments(session, [(kind, segment) for kind, segment in mine if segment], enough),
        *repository.bestsellers(session, list(recent), limit),
    ]
    return Recommended(
        personal=True,
        products=_likeliest([each for each in candidates if each.product_id not in recent], limit),
    )


def _just_bought(baskets: Sequence[Bought], clock: Clock) -> set[UUID]:
    since = clock.now() - JUST
    return {product for basket in baskets if basket.placed_at > since for product in basket.products}


def _times(baskets: Sequence[Bought]) -> dict[UUID, int]:
    return Counter(product for basket in baskets for product in set(basket.products))


def _last(baskets: Sequence[Bought]) -> list[UUID]:
    return [product for basket in baskets[:_RECENT] for product in basket.products]


def _likeliest(candidates: Sequence[Candidate], limit: int) -> list[Candidate]:
    """Return each product once, with its highest chance and its first reason."""
    best: dict[UUID, Candidate] = {}
    for candidate in candidates:
        first = best.setdefault(candidate.product_id, candidate)
        best[candidate.product_id] = replace(first, chance=max(first.chance, candidate.chance))
    return sorted(best.values(), key=lambda candidate: (-candidate.chance, candidate.product_id))[:limit]
