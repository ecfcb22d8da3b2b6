"""The lots that a purchase earns, each with an explanation of its points."""

from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from app.earning.calculation import Grant, matures_on, within_caps
from app.earning.caps import Room
from app.earning.earners import WHOLE
from app.money import divide
from app.wallet.models import Lot


def lots_for(
    granted: Sequence[Grant], room: Room, *, member_id: UUID, order_id: UUID, at: datetime, bought_on: date
) -> list[Lot]:
    """Return an order's points lots, one per line and rule or offer; take their points, as caps allow, from `room`."""
    lots = []
    for grant, points in within_caps(granted, room, member_id, bought_on):
        purchase = grant.purchase
        confirmed_on = matures_on(bought_on, purchase.product)
        lots.append(
            Lot.pending(
                member_id=member_id,
                order_id=order_id,
                line=purchase.line,
                vendor_id=purchase.product.vendor_id,
                rule_id=grant.earner.earner_id,
                units=purchase.units,
                points=points,
                at=at,
                matures_on=confirmed_on,
                explanation=_explanation(grant, points, confirmed_on),
            )
        )
    return lots


def _explanation(grant: Grant, points: int, confirmed_on: date) -> dict[str, Any]:
    """Return an explanation of how a lot's points were calculated, which is shown to the member.

    `exact` is the number of points before rounding. `rules_give` are the points by earning rules on which an offer is
    based. `money_share` is the fraction of the order line that was paid with money, left out if it is all.
    """
    on_top = {"rules_give": _decimal(grant.rule_points)} if grant.earner.on_top else {}
    capped = {"capped_from": grant.points} if points != grant.points else {}
    share = grant.purchase.money_share
    partly = {} if share is WHOLE else {"money_share": _decimal(share)}
    return {
        "rule": grant.earner.name,
        "gives": grant.earner.says,
        "base_minor": grant.purchase.money_minor,
        "units": grant.purchase.units,
        **partly,
        **on_top,
        "exact": _decimal(grant.exact),
        "rounding": "half to even, the line's sum once",
        **capped,
        "points": points,
        "return_window_days": grant.purchase.product.return_window_days,
        "window_ends_on": str(confirmed_on),
    }


def _decimal(points: Fraction) -> str:
    """Format points with at most three decimals, without trailing zeros."""
    whole, thousandths = divmod(divide(1000 * points.numerator, points.denominator), 1000)
    return f"{whole}.{thousandths:03}".rstrip("0").rstrip(".")
