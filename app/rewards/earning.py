"""How many points a purchase earns: pure functions of the rules, the boosts and what was paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from app.ids import new_id
from app.money import divide
from app.rewards.models import Boost, Lot, LotState, Method, Rule, Scope, Sellable

_PARTICULAR = {scope: place for place, scope in enumerate(Scope)}


@dataclass(frozen=True)
class Purchase:
    """One order line as earning sees it. What points paid of it is not in `paid_minor`: that part earns nothing."""

    line: int
    product: Sellable
    units: int
    paid_minor: int


def covers(scope: Scope, target: str, product: Sellable) -> bool:
    match scope:
        case Scope.EVERYTHING:
            return True
        case Scope.PRODUCT:
            return target == str(product.product_id)
        case Scope.BRAND:
            return target == product.brand
        case Scope.CATEGORY:
            return target == str(product.category_id)
        case Scope.VENDOR:
            return target == str(product.vendor_id)


def rule_for(rules: Sequence[Rule], product: Sellable, at: datetime) -> Rule | None:
    """The most particular rule that runs and covers the product; of equals the one made first."""
    covering = [rule for rule in rules if rule.runs(at) and covers(rule.scope, rule.target, product)]
    return min(covering, key=lambda rule: (_PARTICULAR[rule.scope], rule.rule_id), default=None)


def boost_for(boosts: Sequence[Boost], product: Sellable) -> Boost | None:
    """The best boost that covers the product; boosts do not add up."""
    covering = [boost for boost in boosts if covers(boost.scope, boost.target, product)]
    return max(covering, key=lambda boost: (boost.percent, boost.offer_id), default=None)


def points_for(rule: Rule, boost: Boost | None, paid_minor: int, units: int) -> int:
    """Rounded half to even, once."""
    percent = boost.percent if boost else 100
    match rule.method:
        case Method.RATE:
            return divide(paid_minor * rule.points * percent, 100 * 100)
        case Method.FIXED:
            return divide(units * rule.points * percent, 100)


def matures_on(bought_on: date, product: Sellable) -> date:
    """The business day whose midnight ends the return window and confirms the points."""
    return bought_on + timedelta(days=product.return_window_days)


def lots_for(
    purchases: Sequence[Purchase],
    rules: Sequence[Rule],
    boosts: Sequence[Boost],
    *,
    member_id: UUID,
    order_id: UUID,
    at: datetime,
    bought_on: date,
) -> list[Lot]:
    """A lot for each line that earns anything."""
    lots = []
    for purchase in purchases:
        rule = rule_for(rules, purchase.product, at)
        boost = boost_for(boosts, purchase.product)
        points = points_for(rule, boost, purchase.paid_minor, purchase.units) if rule else 0
        if rule is None or not points:
            continue
        lots.append(
            Lot(
                lot_id=new_id(),
                member_id=member_id,
                order_id=order_id,
                line=purchase.line,
                vendor_id=purchase.product.vendor_id,
                rule_id=rule.rule_id,
                units=purchase.units,
                points=points,
                unspent=points,
                recovered=0,
                state=LotState.PENDING,
                earned_at=at,
                matures_on=matures_on(bought_on, purchase.product),
                expires_on=None,
                split_from=None,
                explanation=_explanation(purchase, rule, boost, points),
            )
        )
    return lots


def _explanation(purchase: Purchase, rule: Rule, boost: Boost | None, points: int) -> dict[str, Any]:
    per = "per unit" if rule.method is Method.FIXED else "for every 1.00 paid"
    return {
        "rule": rule.name,
        "gives": f"{rule.points} {per}",
        "paid_minor": purchase.paid_minor,
        "units": purchase.units,
        "boost": boost.name if boost else None,
        "percent": boost.percent if boost else 100,
        "rounding": "half to even",
        "points": points,
        "return_window_days": purchase.product.return_window_days,
    }
