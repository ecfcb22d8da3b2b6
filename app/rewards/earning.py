"""How many points a purchase earns: pure functions of the earners that cover it and of what was paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from app.ids import new_id
from app.money import divide
from app.rewards.caps import Room
from app.rewards.earners import Earner, Purchase, Sellable, Stacking
from app.rewards.models import Lot, LotState

_NOTHING = Fraction()


@dataclass(frozen=True)
class Grant:
    """What one earner gives for one purchase, before its caps."""

    purchase: Purchase
    earner: Earner
    points: int


def grants(purchase: Purchase, earners: Sequence[Earner]) -> list[Grant]:
    """What the earners that cover a purchase give for it: a rule's own first, then what comes on top.

    The sum is rounded half to even once; each grant is what it adds to the rounded sum of those before it.
    """
    given = _contest([earner for earner in earners if not earner.on_top], purchase, _NOTHING)
    if not (given and given[0][0].stacking is Stacking.EXCLUSIVE):
        on_top = [earner for earner in earners if earner.on_top]
        given += _contest(on_top, purchase, sum((exact for _, exact in given), _NOTHING)) if given and on_top else []
    if len(given) == 1:  # nearly always: nothing to add up
        [(earner, exact)] = given
        return [Grant(purchase, earner, divide(exact.numerator, exact.denominator))]
    found, total, rounded = [], _NOTHING, 0
    for earner, exact in given:
        total += exact
        before, rounded = rounded, divide(total.numerator, total.denominator)
        found.append(Grant(purchase, earner, rounded - before))
    return found


def _contest(earners: Sequence[Earner], purchase: Purchase, given: Fraction) -> list[tuple[Earner, Fraction]]:
    """Those that count, with what they give exactly. See Stacking."""
    if len(earners) == 1:
        return [(earners[0], earners[0].gives(purchase, given))]
    worth = [(earner, earner.gives(purchase, given)) for earner in sorted(earners, key=lambda earner: earner.rank)]
    exclusive = [one for one in worth if one[0].stacking is Stacking.EXCLUSIVE]
    if exclusive:
        return exclusive[:1]
    rivals = [one for one in worth if one[0].stacking is Stacking.PARTICULAR][:1]
    rivals += [one for one in worth if one[0].stacking is Stacking.BEST_OF]
    adding = [one for one in worth if one[0].stacking is Stacking.ADDS]
    return [max(rivals, key=lambda one: one[1]), *adding] if rivals else adding


def matures_on(bought_on: date, product: Sellable) -> date:
    """The business day whose midnight ends the return window and confirms the points."""
    return bought_on + timedelta(days=product.return_window_days)


def lots_for(
    granted: Sequence[Grant], room: Room, *, member_id: UUID, order_id: UUID, at: datetime, bought_on: date
) -> list[Lot]:
    """A lot for each grant that gives anything within its earner's caps; `room` has less by that afterwards."""
    lots = []
    for grant in granted:
        points = room.take(grant.earner, member_id, bought_on, grant.points)
        if not points:
            continue
        purchase = grant.purchase
        lots.append(
            Lot(
                lot_id=new_id(),
                member_id=member_id,
                order_id=order_id,
                line=purchase.line,
                vendor_id=purchase.product.vendor_id,
                rule_id=grant.earner.earner_id,
                units=purchase.units,
                points=points,
                unspent=points,
                recovered=0,
                state=LotState.PENDING,
                earned_at=at,
                matures_on=matures_on(bought_on, purchase.product),
                expires_on=None,
                split_from=None,
                explanation=_explanation(grant, points),
            )
        )
    return lots


def _explanation(grant: Grant, points: int) -> dict[str, Any]:
    capped = {"capped_from": grant.points} if points != grant.points else {}
    return {
        "rule": grant.earner.name,
        "gives": grant.earner.says,
        "paid_minor": grant.purchase.base_minor,
        "units": grant.purchase.units,
        "on_top": grant.earner.on_top,
        "rounding": "half to even",
        "points": points,
        "return_window_days": grant.purchase.product.return_window_days,
        **capped,
    }
