"""The points that a purchase earns: pure functions of the earners that cover it and of the amounts paid."""

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
    """The points that one earner gives for one purchase before caps: as exact fraction and rounded.

    `given` is the input of an earner on top: the rules' points, else nothing. Both count only the part paid with money.
    """

    purchase: Purchase
    earner: Earner
    given: Fraction
    exact: Fraction
    points: int


def grants(purchase: Purchase, earners: Sequence[Earner]) -> list[Grant]:
    """Return the grants for a purchase: those of rules first, then those that come on top.

    The part paid with points earns nothing. The sum is rounded half to even once; each grant is its increase of the
    rounded sum.
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


def _gives(earner: Earner, purchase: Purchase, given: Fraction) -> Fraction:
    """Return an earner's exact points for the part paid with money; `given` covers that part only, too."""
    share = purchase.money_share
    if not share or (purchase.free and not earner.when_free):
        return _NOTHING
    return earner.gives(purchase, given) if share is WHOLE else earner.gives(purchase, given / share) * share


def _contest(earners: Sequence[Earner], purchase: Purchase, given: Fraction) -> list[tuple[Earner, Fraction]]:
    """Return the earners that apply, with their exact points, as Stacking defines."""
    candidates = [
        (earner, _gives(earner, purchase, given)) for earner in sorted(earners, key=lambda earner: earner.rank)
    ]
    exclusive = [candidate for candidate in candidates if candidate[0].stacking is Stacking.EXCLUSIVE]
    if exclusive:
        return exclusive[:1]
    rivals = [candidate for candidate in candidates if candidate[0].stacking is Stacking.PARTICULAR][:1]
    rivals += [candidate for candidate in candidates if candidate[0].stacking is Stacking.BEST_OF]
    additions = [candidate for candidate in candidates if candidate[0].stacking is Stacking.ADDS]
    return [max(rivals, key=lambda candidate: candidate[1]), *additions] if rivals else additions


def matures_on(bought_on: date, product: Sellable) -> date:
    """Return the business day that begins when the return window ends; the points are confirmed then."""
    return bought_on + timedelta(days=product.return_window_days)


def within_caps(offered: Sequence[Grant], room: Room, member_id: UUID, bought_on: date) -> Iterator[tuple[Grant, int]]:
    """Yield the grants of an order with their points within all caps; `room` is reduced by these points."""
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
    """Return how many of the points fit the earner's cap per order, of which it used `used` already."""
    assert limits.order is not None  # noqa: S101  the caller checks it
    allowed = min(points, limits.order - used)
    return 0 if allowed < points and limits.over is OverCap.REFUSE else allowed


def returned_share(points: int, bought: int, before: int, units: int) -> int:
    """Return the points to take back for `units`, after `before` units came back; any split has the same sum."""
    return divide(points * (before + units), bought) - divide(points * before, bought)
