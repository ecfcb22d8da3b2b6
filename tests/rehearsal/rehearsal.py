"""Plays a scene: offers load to the services of a simulated cluster, and writes down what happens each second."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.rehearsal import metrics_api, queueing
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
    seconds: list[Second] = field(default_factory=list)
    _lost: dict[str, int] = field(default_factory=dict)

    def play(self) -> list[Second]:
        began, events = time.monotonic(), list(self.scene.events)
        database, waiting = self.shop.database, dict[str, float]()
        for at in self._clock(began):
            while events and events[0].at <= at:
                event = events.pop(0)
                getattr(self.stage, event.does)(event.zone)
                self._lost = {event.zone: at} if event.does == "lose_zone" else {}
            seen = look(self.stage)
            pods = {service: self._balanced(seen, service.name, at) for service in self.shop.services}
            offered = self.scene.offered_at(at)
            served, database = queueing.second(pods, offered, waiting, self.shop.limits, database)
            waiting = {name: outcome.waiting for name, outcome in served.items()}
            self.seconds.append(Second(at, seen, served, database.acu))
            if at % metrics_api.PUBLISHED_EVERY == 0:
                self.stage.metrics.publish(list(self._uses(seen)))
        return self.seconds

    def _clock(self, began: float) -> Iterator[int]:
        """Yield the scene's seconds as they come; on a slow machine some are left out."""
        at = 0
        while at < self.scene.seconds:
            yield at
            at = max(at + 1, int(time.monotonic() - began))
            time.sleep(max(0.0, began + at - time.monotonic()))

    def _balanced(self, seen: Look, service: str, at: int) -> Pods:
        """Return a service's pods that the load balancer's health checks hold for healthy."""
        pods = [pod for pod in seen.pods if pod.deployment == service and pod.ready_for]
        noticed = {zone for zone, lost in self._lost.items() if at - lost >= self.shop.check_seconds}
        return Pods(
            answering=sum(pod.zone not in self._lost and pod.ready_for >= self.shop.check_seconds for pod in pods),
            silent=sum(pod.zone in self._lost and pod.zone not in noticed for pod in pods),
        )

    def _uses(self, seen: Look) -> Iterator[Use]:
        """Yield what pods used on average since the last reading; a silent node's aren't read."""
        recent = self.seconds[-metrics_api.PUBLISHED_EVERY :]
        for pod in seen.pods:
            if pod.ready_for and pod.zone not in self._lost:
                yield Use(NAMESPACE, pod.name, pod.labels, pod.containers, IDLE_PROCESSORS + self._busy(pod, recent))

    def _busy(self, pod: Pod, recent: Sequence[Second]) -> float:
        if pod.ready_for < self.shop.check_seconds:
            return 0.0
        served = [second.served[pod.deployment] for second in recent if pod.deployment in second.served]
        return sum(outcome.processors for outcome in served) / len(served) if served else 0.0
