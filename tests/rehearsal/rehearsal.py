"""Plays a scene: offers load to the services of a simulated cluster, and writes down what happens each second."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.rehearsal import metrics_api, processors, queueing
from tests.rehearsal.happenings import Happenings
from tests.rehearsal.look import Look, Pod, look
from tests.rehearsal.metrics_api import Use
from tests.rehearsal.play import NAMESPACE
from tests.rehearsal.queueing import Pods, Served
from tests.rehearsal.scene import Scene
from tests.rehearsal.shop import IDLE_PROCESSORS, Shop
from tests.rehearsal.stage import Stage


@dataclass(frozen=True)
class Second:
    """A second of a scene: what the cluster looked like, and what each service served."""

    at: int
    look: Look
    served: Mapping[str, Served]
    acu: float


@dataclass
class Rehearsal:
    """A scene being played on a stage, whose objects were applied just before."""

    scene: Scene
    shop: Shop
    stage: Stage
    happenings: Happenings
    seconds: list[Second] = field(default_factory=list)

    def play(self) -> list[Second]:
        """Play all seconds, and return them. Raises what an event's command raised."""
        events, database, served = list(self.scene.events), self.shop.database, dict[str, Served]()
        published = -metrics_api.PUBLISHED_EVERY
        for at in self._clock(time.monotonic()):
            while events and events[0].at <= at:
                self.happenings.begin(events.pop(0), at)
            self.happenings.keep_silent()
            self.happenings.care(at)
            seen = look(self.stage)
            shares = processors.shares(seen, processors.wanted(served))
            pods = {service: self._balanced(seen, service.name, shares, at) for service in self.shop.services}
            waiting = {name: outcome.waiting for name, outcome in served.items()}
            served, database = queueing.second(pods, self.scene.offered_at(at), waiting, self.shop.limits, database)
            self.seconds.append(Second(at, seen, served, database.acu))
            if at - published >= metrics_api.PUBLISHED_EVERY:
                published = at
                self.stage.metrics.publish(list(self._uses(seen)))
        self.happenings.end()
        return self.seconds

    def _clock(self, began: float) -> Iterator[int]:
        """Yield the scene's seconds as they come; on a slow machine some are left out."""
        at = 0
        while at < self.scene.seconds:
            yield at
            at = max(at + 1, int(time.monotonic() - began))
            time.sleep(max(0.0, began + at - time.monotonic()))

    def _balanced(self, seen: Look, service: str, shares: Mapping[str, float], at: int) -> Pods:
        """Return a service's pods that the load balancer's health checks hold for healthy."""
        lost, check = dict(self.happenings.lost), self.shop.check_seconds
        pods = [pod for pod in seen.pods if pod.deployment == service and pod.ready_for]
        answering = [pod for pod in pods if pod.zone not in lost and pod.ready_for >= check]
        return Pods(
            len(answering),
            sum(shares[pod.name] for pod in answering),
            sum(at - lost[pod.zone] < self.shop.lost_seconds for pod in pods if pod.zone in lost),
        )

    def _uses(self, seen: Look) -> Iterator[Use]:
        """Yield what pods used on average since the last reading; a silent node's aren't read."""
        recent = self.seconds[-metrics_api.PUBLISHED_EVERY :]
        for pod in seen.pods:
            if pod.ready_for and pod.zone not in self.happenings.lost:
                yield Use(NAMESPACE, pod.name, pod.labels, pod.containers, IDLE_PROCESSORS + self._busy(pod, recent))

    def _busy(self, pod: Pod, recent: Sequence[Second]) -> float:
        if pod.ready_for < self.shop.check_seconds:
            return 0.0
        served = [second.served[pod.deployment] for second in recent if pod.deployment in second.served]
        return sum(outcome.processors for outcome in served) / len(served) if served else 0.0
