"""Recommend products to a member, and find products that are bought together with a product."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from app.catalog import service as catalog
from app.clock import Clock
from app.db import Session
from app.insights.recommendations import repository
from app.insights.recommendations.models import Candidate, Companion, Recommended
from app.members import service as members
from app.members.models import Segments
from app.orders import service as orders

LOOKS_BACK = 100
"""How many of a member's newest baskets (orders) recommendations are based on."""
JUST = timedelta(days=2)
"""How long after its purchase a product is not recommended."""
_RECENT = 3  # newest baskets whose products' companions are recommended
_DEPARTMENTS = 3  # departments that a member buys most from
_LATER = 0.1
"""Probability that a companion is bought in a later basket, divided by that of the same basket."""
_PRIOR = 16.0
"""Weight, in baskets, of all members' purchases in the estimate of a member's repeat purchases."""


def learned_at(session: Session) -> datetime | None:
    """Return when product affinity was last learned; None if never."""
    return repository.learned_at(session)


def segments_of(session: Session, member_id: UUID) -> Segments:
    """Return a member's segments, none without the member's consent. Raises NotFound if there is no such member."""
    member = members.member(session, member_id)
    if member.consented_at is None:
        return Segments(None, None, [], consented=False)
    departments = orders.top_departments(session, member_id, _DEPARTMENTS)
    return Segments(member.income_band, member.marital_status, departments, consented=True)


def companions(session: Session, product_id: UUID, limit: int) -> list[Companion]:
    """Return products of other categories bought with the given product. Raises NotFound for an unknown product."""
    catalog.product(session, product_id)
    return repository.companions(session, product_id, limit)


def recommend(session: Session, member_id: UUID, limit: int, clock: Clock) -> Recommended:
    """Return the products likeliest to be in a member's next order, with reasons.

    Leaves out products bought in the last two days. Without the member's consent, returns the bestsellers. Raises
    NotFound if there is no such member.
    """
    segments = segments_of(session, member_id)
    if not segments.consented:
        return Recommended(personal=False, products=repository.bestsellers(session, [], limit))
    baskets = repository.baskets_of(session, member_id, LOOKS_BACK)
    since = clock.now() - JUST
    recent = {product for basket in baskets if basket.placed_at > since for product in basket.products}
    times = Counter(product for basket in baskets for product in set(basket.products))
    last = [product for basket in baskets[:_RECENT] for product in basket.products]
    mine = [("income_band", segments.income_band), ("marital_status", segments.marital_status)]
    mine += [("buys_most", department) for department in segments.buys_most]
    enough = 4 * limit + len(recent)
    candidates = [  # the most personal reason first
        *repository.again(session, times, len(baskets), _PRIOR),
        *repository.bought_together(session, last, _LATER, enough),
        *repository.of_segments(session, [(kind, segment) for kind, segment in mine if segment], enough),
        *repository.bestsellers(session, list(recent), limit),
    ]
    new = [candidate for candidate in candidates if candidate.product_id not in recent]
    return Recommended(personal=True, products=_likeliest(new, limit))


def _likeliest(candidates: Sequence[Candidate], limit: int) -> list[Candidate]:
    """Return the candidates with the highest chance, each product once, with the first reason listed for it."""
    best: dict[UUID, Candidate] = {}
    for candidate in candidates:
        first = best.setdefault(candidate.product_id, candidate)
        best[candidate.product_id] = replace(first, chance=max(first.chance, candidate.chance))
    return sorted(best.values(), key=lambda candidate: (-candidate.chance, candidate.product_id))[:limit]
