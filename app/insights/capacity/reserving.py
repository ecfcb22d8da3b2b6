"""Reserve the units needed in a larger share of the hours than the ratio of reserved to on-demand price."""

import math
from collections.abc import Mapping, Sequence

from app.insights.capacity.models import Need, Reservation
from app.work import ACU_A_PROCESSOR, NODE_PROCESSORS, ORDER, SEARCH, orders_an_hour

HOURS_A_MONTH = 730
HEADROOM = 1.5
"""Capacity over an hour's mean load, because minutes peak above their hour."""

_NODE = orders_an_hour(NODE_PROCESSORS, ORDER.api, SEARCH.api)
_ACU = orders_an_hour(1 / ACU_A_PROCESSOR, ORDER.database, SEARCH.database)
_WAREHOUSE_NODE = 5_000_000
"""Orders an hour that a node loads each night: a guess, since no Redshift was measured."""
NEEDS = (
    Need("pods", "c7g.large node", _NODE, 3, 1, "node-hour", "reserved-node-hour"),
    Need("ledger", "Aurora capacity unit", _ACU, 1, 0.5, "aurora-acu-hour", "reserved-aurora-acu-hour"),
    Need("warehouse", "ra3.large node", _WAREHOUSE_NODE, 2, 1, "redshift-ra3.large-hour",
         "reserved-redshift-ra3.large-hour"),
)  # fmt: skip
"""The services whose size follows from the orders."""


def reservation(need: Need, orders: Sequence[float], prices: Mapping[str, float]) -> Reservation:
    """Return the cheapest reserve for hours like these, in the service's own steps."""
    needed = sorted(_needed(need, count) for count in orders)
    usual, reserved = prices[need.price], prices[need.reserved_price]
    break_even = reserved / usual
    reserve = _reserve(needed, break_even)
    monthly = HOURS_A_MONTH / len(needed)
    on_demand = sum(needed) * usual * monthly
    beyond = sum(max(0.0, units - reserve) for units in needed) * usual * monthly
    total = reserve * reserved * HOURS_A_MONTH + beyond
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
    units = math.ceil(HEADROOM * orders / need.orders_an_hour / need.step) * need.step
    return max(need.least, units)


def _reserve(needed: Sequence[float], break_even: float) -> float:
    """Return the most units, of hours sorted by need, whose last unit is needed in more than `break_even` of them."""
    place = math.ceil(len(needed) * (1 - break_even)) - 1
    return needed[place] if place >= 0 else 0.0
