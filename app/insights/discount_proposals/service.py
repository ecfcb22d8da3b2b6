"""Propose discounts from hourly sales, and measure their effect.

A hash assigns a fifth of the picks to a control group, which keeps its list price.
"""

import math
from collections import Counter
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from app.clock import Clock
from app.db import Session, WriteSession
from app.discounts import service as discounts
from app.discounts.models import Discount, DiscountState, Mode, lowest_price
from app.ids import new_id
from app.insights.discount_proposals import repository
from app.insights.discount_proposals.models import Candidate, Effect
from app.program import service as programs
from app.times import hour_after

CONTROL_OF = 5


def propose(session: WriteSession, clock: Clock) -> list[Discount]:
    """Pick products to discount in the next hour, within each vendor's caps; none while the switch is off.

    Repeated calls only fill the remaining room.
    """
    now = clock.now()
    hour = hour_after(now, programs.zone(session))
    if discounts.stopped(session):
        return []
    room = Counter(discounts.proposed_of(session, hour))
    picked: list[Discount] = []
    budgets: dict[UUID, int] = {}
    for candidate in repository.candidates(session, hour, now):
        state = _state(candidate, hour)
        if room[candidate.vendor_id] >= candidate.most_products and state is not DiscountState.CONTROL:
            continue
        room[candidate.vendor_id] += state is not DiscountState.CONTROL
        budgets[candidate.vendor_id] = candidate.budget_minor
        price = lowest_price(candidate.list_minor, candidate.percent, candidate.floor_minor)
        picked.append(
            Discount(
                new_id(),
                candidate.vendor_id,
                candidate.product_id,
                hour,
                candidate.list_minor,
                price,
                candidate.expected,
                state,
            )
        )
    if picked:
        discounts.insert(session, picked, budgets)
    return picked


def _state(candidate: Candidate, hour: datetime) -> DiscountState:
    draw = sha256(f"{candidate.product_id}{hour.isoformat()}".encode()).digest()
    if draw[0] % CONTROL_OF == 0:
        return DiscountState.CONTROL
    return DiscountState.APPROVED if candidate.mode is Mode.AUTO else DiscountState.PROPOSED


def effect(session: Session, vendor_id: UUID | None = None) -> Effect:
    """Measure the discounts of past hours against the control group."""
    totals = repository.effect(session, vendor_id)
    if not (totals.sold and totals.control_sold and totals.expected and totals.control_expected):
        return totals
    uplift = (totals.sold / totals.expected) / (totals.control_sold / totals.control_expected)
    spread = math.exp(1.96 * math.sqrt(1 / totals.sold + 1 / totals.control_sold))  # of a ratio of two Poisson counts
    return replace(totals, uplift=uplift, low=uplift / spread, high=uplift * spread)
