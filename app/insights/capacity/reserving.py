"""Find how many units of an AWS service are cheaper to reserve for a year than to buy on demand."""

import math
from collections.abc import Mapping, Sequence

from app.insights.capacity.models import Need, Reservation
from app.work import ACU_A_PROCESSOR, NODE_PROCESSORS, ORDER, SEARCH, orders_an_hour

HOURS_A_MONTH = 730
HEADROOM = 1.5
"""Ratio of provisioned capacity to the hour's mean load, because load varies within the hour."""

_NODE = orders_an_hour(NODE_PROCESSORS, ORDER.api, SEARCH.api)
_ACU = orders_an_hour(1 / ACU_A_PROCESSOR, ORDER.database, SEARCH.database)
_WAREHOUSE_NODE = 5_000_000
"""Orders an hour for which one Redshift node is enough: a guess, since no Redshift was measured."""
NEEDS = (
    Need("pods", "c7g.large node", _NODE, 3, 1, "node-hour", "reserved-node-hour"),
    Need("ledger", "Aurora capacity unit", _ACU, 1, 0.5, "aurora-acu-hour", "reserved-aurora-acu-hour"),
    Need("warehouse", "ra3.large node", _WAREHOUSE_NODE, 2, 1, "redshift-ra3.large-hour",
         "reserved-redshift-ra3.large-hour"),
)  # fmt: skip
"""The services whose capacity grows with the number of orders."""


def reservation(need: Need, orders: Sequence[float], prices: Mapping[str, float]) -> Reservation:
    """Return how many units of a service are cheapest to reserve; `orders` has the number of orders in each hour."""
    needed = sorted(_needed(need, count) for count in orders)
    price, reserved_price = prices[need.price], prices[need.reserved_price]
    break_even = reserved_price / price
    reserve = _reserve(needed, break_even)
    monthly = HOURS_A_MONTH / len(needed)
    on_demand = sum(needed) * price * monthly
    beyond = sum(max(0.0, units - reserve) for units in needed) * price * monthly
    total = reserve * reserved_price * HOURS_A_MONTH + beyond
    return Reservation(
        service=need.service,
        unit=need.unit,
        needed_mean=sum(needed) / len(needed),
        needed_most=needed[-1],
        reserve=reserve,
        on_demand_usd=on_demand,
        with_reserve_usd=total,
        saving_usd=on_demand - total,
        saving_percent=100 * (on_demand - total) / on_demand,
        break_even=break_even,
        used=sum(units >= reserve for units in needed) / len(needed) if reserve else 0.0,
    )


def _needed(need: Need, orders: float) -> float:
    return max(need.least, math.ceil(HEADROOM * orders / need.orders_an_hour / need.step) * need.step)


def _reserve(needed: Sequence[float], break_even: float) -> float:
    """Return the greatest number of units needed in at least the share `break_even` of hours; `needed` is ascending."""
    place = math.ceil(len(needed) * (1 - break_even)) - 1
    return needed[place] if place >= 0 else 0.0
