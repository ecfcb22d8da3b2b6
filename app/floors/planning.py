"""Plan floors: a pure function of announced promotions, the expected orders of whole days, and limits.

A service needs ceil(HEADROOM × orders an hour × REQUESTS_AN_ORDER / 3600 × processor seconds a request /
(POD_PROCESSORS × UTILISATION)) pods, where `app.work` has the processor seconds of its routers. The floor of an hour is
what the upper bound of its forecast needs, and during the first hours of announced promotions what so many times the
expected orders need; promotions that overlap add up: 5 and 10 times make 14 times.

Whole days are planned, even the hours that are over: so a plan changes with what was announced, not with each look at
the clock. A day's floors cost no more than the limit: what today's have cost until the plan changed last counts as it
was, also for promotions that were withdrawn since.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from math import ceil, floor

from app.floors.models import Floor, Limits, Plan, Spent
from app.insights.capacity.models import Forecast
from app.insights.capacity.reserving import HEADROOM
from app.offers.models import Announced
from app.times import AN_HOUR
from app.work import POD_PROCESSORS, REQUESTS_AN_ORDER, UTILISATION, processors_a_request

LEAD = timedelta(minutes=15)
"""How long before a promotion its floor begins: the job runs each 5 minutes, a node takes 65 s to start, a pod 20 s."""
SPIKE = timedelta(hours=2)
"""How long a promotion's expected orders last: the spike is at its start, and later hours are the forecast's."""
MOST_FLOORS = 16
"""Floors in a plan: so many fit into a parameter of 4 KB."""
_SHOPPERS = ("catalog", "orders", "rewards")
"""The routers whose requests grow with the orders."""
_OF_PROMOTIONS, _OF_A_KIND = "offers-promotion", "offers-"
"""The Deployment, if any, of requests that name a promotion, and how such Deployments' names begin."""


@dataclass(frozen=True)
class _Span:
    """A time in one hour of `day` with the same promotions, and the orders an hour that are to be expected in it.

    `promoted` are those orders that the promotions bring.
    """

    day: date
    since: datetime
    until: datetime
    orders: float
    promoted: float
    why: str


@dataclass(frozen=True)
class _Need:
    """A floor of one day before the limit of money."""

    day: date
    floor: Floor


def plan(
    announced: Sequence[Announced], expected: Sequence[Forecast], limits: Limits, now: datetime, spent: Spent
) -> Plan:
    """Return the floors that are not over at `now`; `expected` are the hours of whole days, in the program's zone.

    A limit of 0 dollars means no floors.
    """
    if not limits.usd_a_day:
        return Plan([], limited=False)
    spans = list(_spans(announced, expected))
    needs = _few([need for service in limits.services for need in _merged(_needs(service, spans, limits))], limits)
    days = {day: list(its) for day, its in groupby(sorted(needs, key=lambda need: need.day), lambda need: need.day)}
    today = expected[0].at.date()
    shares = {day: _share(its, limits, spent if day == today else replace(spent, usd=0)) for day, its in days.items()}
    shrunk = [_shrunk(need, shares[need.day], limits) for need in needs]
    kept = _merged([need for need in shrunk if need.floor.replicas > limits.least], over_midnight=True)
    floors = [replace(need.floor, usd=usd_of(need.floor, limits)) for need in kept if need.floor.until > now]
    return Plan(floors, limited=any(share < 1 for share in shares.values()))


def pods(routers: Sequence[str], orders_an_hour: float) -> int:
    """Return how many pods serve the shoppers' requests to these routers if so many orders are placed in an hour."""
    requests = HEADROOM * orders_an_hour * REQUESTS_AN_ORDER / 3600
    processors = requests * processors_a_request([router for router in routers if router in _SHOPPERS])
    return ceil(processors / (POD_PROCESSORS * UTILISATION))


def _spans(announced: Sequence[Announced], expected: Sequence[Forecast]) -> Iterator[_Span]:
    begins = [hour.at.astimezone(UTC) for hour in expected]
    for hour, begin, end in zip(expected, begins, [*begins[1:], *(at + AN_HOUR for at in begins[-1:])], strict=True):
        windows = [(promotion, *_window(promotion)) for promotion in announced]
        cuts = {at for _, since, until in windows for at in (since, until) if begin < at < end}
        for since, until in pairwise(sorted({begin, end} | cuts)):
            running = [promotion for promotion, opens, closes in windows if opens <= since and until <= closes]
            yield _span(hour, since, until, running)


def _window(promotion: Announced) -> tuple[datetime, datetime]:
    return promotion.starts_at - LEAD, min(promotion.ends_at, promotion.starts_at + SPIKE)


def _span(hour: Forecast, since: datetime, until: datetime, running: Sequence[Announced]) -> _Span:
    promoted = hour.orders * sum(promotion.expected_times - 1 for promotion in running)
    why = f"the forecast expects up to {hour.high:,.0f} orders an hour"
    if running and hour.orders + promoted > hour.high:
        largest = max(running, key=lambda promotion: (promotion.expected_times, promotion.offer_id))
        others = f", and {len(running) - 1} more do" if len(running) > 1 else ""
        why = f"promotion {largest.offer_id} expects {largest.expected_times} times the usual load{others}"
    return _Span(hour.at.date(), since, until, max(hour.high, hour.orders + promoted), promoted, why)


def _needs(service: str, spans: Sequence[_Span], limits: Limits) -> Iterator[_Need]:
    of_a_kind = service.startswith(_OF_A_KIND)
    if of_a_kind and service != _OF_PROMOTIONS:
        return
    for span in spans:
        replicas = min(limits.most, pods(limits.services[service], span.promoted if of_a_kind else span.orders))
        if replicas > limits.least:
            yield _Need(span.day, Floor(service, replicas, span.since, span.until, span.why, usd=0))


def _merged(needs: Iterable[_Need], *, over_midnight: bool = False) -> list[_Need]:
    """Return the needs, those of one service with equal replicas as one if they follow each other without a gap."""
    merged: list[_Need] = []
    for need in needs:
        last = merged[-1] if merged else None
        if last and _follows(last, need, over_midnight) and last.floor.replicas == need.floor.replicas:
            merged[-1] = _joined(last, need)
        else:
            merged.append(need)
    return merged


def _follows(last: _Need, need: _Need, over_midnight: bool) -> bool:
    same = last.floor.service == need.floor.service and (over_midnight or last.day == need.day)
    return same and last.floor.until == need.floor.since


def _joined(first: _Need, second: _Need) -> _Need:
    """Return one need for both, and for the time between, with the reason of the larger one."""
    larger = max(first, second, key=lambda need: need.floor.replicas)
    return replace(first, floor=replace(larger.floor, since=first.floor.since, until=second.floor.until))


def _few(needs: list[_Need], limits: Limits) -> list[_Need]:
    """Return at most MOST_FLOORS needs: those of one service and day are joined, first those for which it costs least.

    There are more only if there are more services and days.
    """
    while len(needs) > MOST_FLOORS:
        places = [
            place
            for place, (first, second) in enumerate(pairwise(needs))
            if (first.floor.service, first.day) == (second.floor.service, second.day)
        ]
        if not places:
            break
        cheapest = min(places, key=lambda place: _more(needs[place], needs[place + 1], limits))
        needs[cheapest : cheapest + 2] = [_joined(needs[cheapest], needs[cheapest + 1])]
    return needs


def _more(first: _Need, second: _Need, limits: Limits) -> float:
    """Return how much more one need for both costs than they do."""
    hours = (second.floor.until - first.floor.since) / AN_HOUR
    replicas = max(first.floor.replicas, second.floor.replicas)
    joined = (replicas - limits.least) * hours * limits.pod_hour_usd
    return joined - usd_of(first.floor, limits) - usd_of(second.floor, limits)


def usd_of(each: Floor, limits: Limits, since: datetime | None = None, until: datetime | None = None) -> float:
    """Return what the pods above the least cost in the part of a floor's time that is in [since, until)."""
    hours = (min(each.until, until or each.until) - max(each.since, since or each.since)) / AN_HOUR
    return max(0.0, hours) * max(0, each.replicas - limits.least) * limits.pod_hour_usd


def _share(needs: Sequence[_Need], limits: Limits, spent: Spent) -> float:
    """Return the share of a day's pods above the least that what is left pays for: 1 if it pays for all."""
    usd = sum(usd_of(need.floor, limits, spent.since) for need in needs)
    return min(1.0, max(0.0, limits.usd_a_day - spent.usd) / usd) if usd else 1.0


def _shrunk(need: _Need, share: float, limits: Limits) -> _Need:
    replicas = limits.least + floor((need.floor.replicas - limits.least) * share)
    return replace(need, floor=replace(need.floor, replicas=replicas))
