"""A model of load: what services serve, refuse and lose each second, and what their pods and the database use for it.

It is a fluid model in steps of a second. A balancer gives each request to the pod with the fewest, so that no pod has
nothing to do while others have too much. Pods serve as many as their processors allow, and no more than the database
can take; admission control lets a few wait, at most for
`Limits.longest_wait`, and refuses the rest. All times are in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from app.work import ACU_A_PROCESSOR, UTILISATION, Work


@dataclass(frozen=True)
class Service:
    """A Deployment that serves `share` of all requests, of which each takes `work`."""

    name: str
    share: float
    work: Work


@dataclass(frozen=True)
class Limits:
    """What bounds a pod: requests that run or wait, and the longest wait."""

    requests: int
    longest_wait: float


@dataclass(frozen=True)
class Pods:
    """A service's pods that the balancer sends requests to: those that answer, and those of a zone that is lost.

    `processors` are those that all answering ones may use together.
    """

    answering: int
    processors: float
    silent: int = 0


@dataclass(frozen=True)
class Served:
    """What happened to a service's requests within a second: numbers of requests, and the 95th percentile of latency.

    `shed` were refused with 503, `failed` got no answer, `waiting` are still in pods. `processors` is each pod's use.
    """

    offered: float
    served: float
    shed: float
    failed: float
    waiting: float
    processors: float
    p95: float


@dataclass(frozen=True)
class Database:
    """Aurora Serverless v2 at some capacity. It grows by a share of that each second that it is busier than 60 %.

    AWS says that it grows faster the larger it is, without figures; `growth` is our assumption.
    """

    acu: float
    least: float
    most: float
    growth: float = 0.1

    @property
    def processors(self) -> float:
        return self.acu / ACU_A_PROCESSOR

    def after(self, used: float) -> "Database":
        """Return the database a second later, given the processor seconds that requests wanted of it in this one."""
        wanted = used * ACU_A_PROCESSOR / UTILISATION
        grown = min(wanted, self.acu + max(0.5, self.acu * self.growth))
        shrunk = max(wanted, self.acu - 0.5)
        acu = grown if wanted > self.acu else shrunk
        return Database(min(max(acu, self.least), self.most), self.least, self.most, self.growth)


def second(
    services: Mapping[Service, Pods],
    offered: float,
    waiting: Mapping[str, float],
    limits: Limits,
    database: Database,
) -> tuple[dict[str, Served], Database]:
    """Return what happens within a second in which `offered` requests arrive, and the database after it.

    `waiting` are the requests that still wait from the second before, by service.
    """
    possible = {
        service: min(_arriving(service, pods, offered) + waiting.get(service.name, 0), _capacity(service, pods))
        for service, pods in services.items()
    }
    wanted = sum(requests * service.work.database for service, requests in possible.items())
    slowed = min(1.0, database.processors / wanted) if wanted else 1.0
    outcome = {
        service.name: _outcome(
            service, pods, offered, waiting.get(service.name, 0), possible[service] * slowed, limits, slowed
        )
        for service, pods in services.items()
    }
    return outcome, database.after(wanted)


def _arriving(service: Service, pods: Pods, offered: float) -> float:
    """Return the requests that reach pods that answer; the balancer still sends others to silent ones."""
    balanced = pods.answering + pods.silent
    return offered * service.share * pods.answering / balanced if balanced else 0.0


def _capacity(service: Service, pods: Pods) -> float:
    return pods.processors / service.work.api


def _outcome(
    service: Service, pods: Pods, offered: float, before: float, served: float, limits: Limits, slowed: float
) -> Served:
    own, arriving = offered * service.share, _arriving(service, pods, offered)
    lost = own - arriving if pods.silent else 0.0
    left = arriving + before - served
    room = min(pods.answering * limits.requests, served * limits.longest_wait)
    waiting = min(left, room)
    return Served(
        offered=own,
        served=served,
        shed=own - lost - arriving + left - waiting,
        failed=lost,
        waiting=waiting,
        processors=served * service.work.api / pods.answering if pods.answering else 0.0,
        p95=_p95(service, pods, served, waiting, limits, slowed) if own or served else 0.0,
    )


def _p95(service: Service, pods: Pods, served: float, waiting: float, limits: Limits, slowed: float) -> float:
    """Return the 95th percentile of latency: of M/M/1 with processor sharing in each pod, but at most the longest wait.

    Requests that wait since earlier seconds come on top.
    """
    if not served:
        return limits.longest_wait
    alone = service.work.api + service.work.database
    busy = served / _capacity(service, pods) if slowed == 1 else 1.0
    sharing = log(20) * alone / (1 - busy) if busy < 1 else limits.longest_wait
    return min(sharing, limits.longest_wait) + waiting / served
