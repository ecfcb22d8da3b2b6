"""Calculate the points that a purchase earns from the rules and offers that cover it. Pure functions, without I/O."""

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
    """The points that one rule or offer gives for one order line, before caps: `exact`, and rounded to whole `points`.

    An `on_top` rule or offer increases the points of the others: `rule_points` is their sum. For the others it is 0.
    """

    purchase: Purchase
    earner: Earner
    rule_points: Fraction
    exact: Fraction
    points: int


def grants(purchase: Purchase, earners: Sequence[Earner]) -> list[Grant]:
    """Return a Grant for each rule or offer that applies to an order line; those that are `on_top` come last.

    Only the part of the line that was paid with money earns points. The sum of the exact points is rounded half to
    even, and the grants' whole points add up to it.
    """
    if len(earners) == 1 and not earners[0].on_top:  # the usual case, made fast
        exact = _gives(earners[0], purchase, _NOTHING)
        return [Grant(purchase, earners[0], _NOTHING, exact, divide(exact.numerator, exact.denominator))]
    by_rule = _contest([earner for earner in earners if not earner.on_top], purchase, _NOTHING)
    rule_points = sum((exact for _, exact in by_rule), _NOTHING)
    on_top = [earner for earner in earners if earner.on_top]
    rules_only = not by_rule or by_rule[0][0].stacking is Stacking.EXCLUSIVE
    extra = [] if rules_only or not on_top else _contest(on_top, purchase, rule_points)
    line_grants, total, rounded = [], _NOTHING, 0
    for earner, exact in by_rule + extra:
        total += exact
        before, rounded = rounded, divide(total.numerator, total.denominator)
        line_grants.append(Grant(purchase, earner, rule_points if earner.on_top else _NOTHING, exact, rounded - before))
    return line_grants


def _gives(earner: Earner, purchase: Purchase, rule_points: Fraction) -> Fraction:
    """Return the exact points of a rule or offer for the part of an order line that was paid with money."""
    share = purchase.money_share
    if not share or (purchase.free and not earner.when_free):
        return _NOTHING
    if share is WHOLE:
        return earner.gives(purchase, rule_points)
    return earner.gives(purchase, rule_points / share) * share


def _contest(earners: Sequence[Earner], purchase: Purchase, rule_points: Fraction) -> list[tuple[Earner, Fraction]]:
    """Choose which rules and offers apply together (see Stacking); return each of them with its unrounded points."""
    ranked = [
        (earner, _gives(earner, purchase, rule_points)) for earner in sorted(earners, key=lambda earner: earner.rank)
    ]
    groups = {stacking: [entry for entry in ranked if entry[0].stacking is stacking] for stacking in Stacking}
    if groups[Stacking.EXCLUSIVE]:
        return groups[Stacking.EXCLUSIVE][:1]
    rivals = groups[Stacking.PARTICULAR][:1] + groups[Stacking.BEST_OF]
    best = [max(rivals, key=lambda rival: rival[1])] if rivals else []
    return best + groups[Stacking.ADDS]


def matures_on(bought_on: date, product: Sellable) -> date:
    """Return the day on which a purchase's points are confirmed: the first day after the return window."""
    return bought_on + timedelta(days=product.return_window_days)


def within_caps(offered: Sequence[Grant], room: Room, member_id: UUID, bought_on: date) -> Iterator[tuple[Grant, int]]:
    """Yield each grant of an order to which the caps allow points, with these points, and subtract them from `room`."""
    left, used = MOST_POINTS, Counter[UUID]()
    for grant in offered:
        earner = grant.earner
        points = min(grant.points, left)
        if earner.caps.order is not None:
            points = _within_order(earner.caps, points, used[earner.earner_id])
        points = room.take(earner, member_id, bought_on, points)
        if points:
            left -= points
            used[earner.earner_id] += points
            yield grant, points


def _within_order(limits: Caps, points: int, used: int) -> int:
    """Return how many of `points` the cap per order allows, if the order already used `used` points of that cap."""
    assert limits.order is not None  # noqa: S101  the caller checks it
    allowed = min(points, limits.order - used)
    return 0 if allowed < points and limits.over is OverCap.REFUSE else allowed


def returned_share(points: int, bought: int, before: int, units: int) -> int:
    """Return how many of `points` are lost if `units` of the `bought` units are returned, after `before` others."""
    return divide(points * (before + units), bought) - divide(points * before, bought)
