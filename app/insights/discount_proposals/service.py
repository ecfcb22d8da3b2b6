"""Propose hourly discounts for products that sell less than usual, and measure the effect of past discounts.

In each hour a hash assigns a fifth of the candidate products to a control group, which keeps its list price.
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
    """Propose discounts for the next hour, and return them; propose none while discounts are stopped.

    No vendor gets more discounts for an hour, earlier proposals included, than its terms allow (`most_products`). The
    products of the control group are returned too, in state CONTROL.
    """
    now = clock.now()
    hour = hour_after(now, programs.zone(session))
    if discounts.stopped(session):
        return []
    proposed = Counter(discounts.proposed_of(session, hour))
    picked: list[Discount] = []
    budgets: dict[UUID, int] = {}
    for candidate in repository.candidates(session, hour, now):
        vendor, product, state = candidate.vendor_id, candidate.product_id, _state(candidate, hour)
        if state is not DiscountState.CONTROL:
            if proposed[vendor] >= candidate.most_products:
                continue
            proposed[vendor] += 1
        budgets[vendor] = candidate.budget_minor
        price = lowest_price(candidate.list_minor, candidate.percent, candidate.floor_minor)
        picked.append(Discount(new_id(), vendor, product, hour, candidate.list_minor, price, candidate.expected, state))
    if picked:
        discounts.insert(session, picked, budgets)
    return picked


def _state(candidate: Candidate, hour: datetime) -> DiscountState:
    draw = sha256(f"{candidate.product_id}{hour.isoformat()}".encode()).digest()
    if draw[0] % CONTROL_OF == 0:
        return DiscountState.CONTROL
    return DiscountState.APPROVED if candidate.mode is Mode.AUTO else DiscountState.PROPOSED


def effect(session: Session, vendor_id: UUID | None = None) -> Effect:
    """Compare the sales of discounted products, of one vendor or of all (None), with those of the control group."""
    totals = repository.effect(session, vendor_id)
    if not (totals.sold and totals.control_sold and totals.expected and totals.control_expected):
        return totals
    uplift = (totals.sold / totals.expected) / (totals.control_sold / totals.control_expected)
    spread = math.exp(1.96 * math.sqrt(1 / totals.sold + 1 / totals.control_sold))  # of a ratio of two Poisson counts
    return replace(totals, uplift=uplift, low=uplift / spread, high=uplift * spread)
