"""How many points a purchase earns: pure functions of the earners that cover it and of what was paid."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from uuid import UUID

from app.earning.caps import Room
from app.earning.earners import WHOLE, Caps, Earner, OverCap, Purchase, Sellable, Stacking
from app.money import MOST_POINTS, divide

_NOTHING = Fraction()


@dataclass(frozen=True)
class Grant:
    """What one earner gives for one purchase, before its caps: exactly, and as points.

    `given` is what the earner knew of: nothing, or for one on top what the rules give. Both are of what money paid.
    """

    purchase: Purchase
    earner: Earner
    given: Fraction
    exact: Fraction
    points: int


def grants(purchase: Purchase, earners: Sequence[Earner]) -> list[Grant]:
    """What the earners that cover a purchase give for it: a rule's own first, then what comes on top.

    What points paid of the purchase earns nothing. The sum is rounded half to even once; each grant is what it adds to
    the rounded sum of those before it.
    """
    if len(earners) == 1 and not earners[0].on_top:  # nearly always: nothing to compare, nothing to add up
        exact = _gives(earners[0], purchase, _NOTHING)
        return [Grant(purchase, earners[0], _NOTHING, exact, divide(exact.numerator, exact.denominator))]
    ruled = _contest([earner for earner in earners if not earner.on_top], purchase, _NOTHING)
    by_rules = sum((exact for _, exact in ruled), _NOTHING)
    on_top = [earner for earner in earners if earner.on_top]
    alone = not ruled or ruled[0][0].stacking is Stacking.EXCLUSIVE
    added = [] if alone or not on_top else _contest(on_top, purchase, by_rules)
    found, total, rounded = [], _NOTHING, 0
    for earner, exact in ruled + added:
        total += exact
        before, rounded = rounded, divide(total.numerator, total.denominator)
        found.append(Grant(purchase, earner, by_rules if earner.on_top else _NOTHING, exact, rounded - before))
    return found


def _gives(earner: Earner, purchase: Purchase, given: Fraction) -> Fraction:
    """What an earner gives exactly for what money paid; `given` is of what money paid too."""
    share = purchase.money_share
    if not share or (purchase.free and not earner.when_free):
        return _NOTHING
    return earner.gives(purchase, given) if share is WHOLE else earner.gives(purchase, given / share) * share


def _contest(earners: Sequence[Earner], purchase: Purchase, given: Fraction) -> list[tuple[Earner, Fraction]]:
    """Those that count, with what they give exactly. See Stacking."""
    worth = [(earner, _gives(earner, purchase, given)) for earner in sorted(earners, key=lambda earner: earner.rank)]
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


def within_caps(granted: Sequence[Grant], room: Room, member_id: UUID, bought_on: date) -> Iterator[tuple[Grant, int]]:
    """The grants of an order that give anything within their earners' caps and the most that an order earns.

    `room` has less by that afterwards.
    """
    left, taken = MOST_POINTS, Counter[UUID]()
    for grant in granted:
        earner = grant.earner
        points = min(grant.points, left)
        if earner.caps.order is not None:
            points = _within_order(earner.caps, points, taken[earner.earner_id])
        points = room.take(earner, member_id, bought_on, points)
        if points:
            left -= points
            taken[earner.earner_id] += points
            yield grant, points


def _within_order(limits: Caps, points: int, taken: int) -> int:
    """How many of the points the most that an earner gives in an order allows, of which some were taken."""
    assert limits.order is not None  # noqa: S101  the caller asks for what has one
    allowed = min(points, limits.order - taken)
    return 0 if allowed < points and limits.over is OverCap.REFUSE else allowed


def returned_share(points: int, bought: int, before: int, units: int) -> int:
    """What units that come back take of a line's points, after others have: unit by unit ends where at once does."""
    return divide(points * (before + units), bought) - divide(points * before, bought)
