"""What must hold in a scene: named rules over its seconds, each with a limit from scenes.toml."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.rehearsal.play import DIGESTS
from tests.rehearsal.rehearsal import Second
from tests.rehearsal.scene import Event, Scene

OBJECTIVE_P95 = 0.5
"""Seconds that 95 % of requests take at most: our objective, while no request is refused for lack of room."""
NEVER = float("inf")
FLOOR = 3
"""The fewest pods of each Deployment in prod: one in each zone."""


@dataclass(frozen=True)
class Verdict:
    """A rule's sentence with its limit, what was measured, and whether it holds."""

    rule: str
    measured: float
    holds: bool


@dataclass(frozen=True)
class Played:
    """What was seen of a scene: its seconds from `Scene.judged` on, and the exit codes of rollouts."""

    scene: Scene
    seconds: Sequence[Second]
    rollouts: Sequence[int] = ()

    def event(self, does: str) -> Event:
        """Return what happens first of that name. Raises ValueError if it doesn't happen in the scene."""
        for event in self.scene.events:
            if event.does == does:
                return event
        raise ValueError(f"{self.scene.name} has no event {does}")

    def between(self, begin: float, end: float = NEVER) -> list[Second]:
        return [second for second in self.seconds if begin <= second.at < end]

    def last_before(self, at: int) -> Second:
        return max(self.between(0, at), key=lambda second: second.at)

    @property
    def outage(self) -> list[Second]:
        """The seconds from the loss of the zone until its return."""
        return self.between(self.event("lose_zone").at, self.event("return_zone").at)


def judge(scene: Scene, seconds: Sequence[Second], rollouts: Sequence[int] = ()) -> list[Verdict]:
    """Return a verdict for each rule that the scene names."""
    played = Played(scene, [second for second in seconds if second.at >= scene.judged], rollouts)
    verdicts = []
    for name, limit in scene.holds.items():
        says, measure, at_most = RULES[name]
        measured = measure(played)
        verdicts.append(Verdict(says.format(limit), measured, measured <= limit if at_most else measured >= limit))
    return verdicts


def _all_run(second: Second) -> bool:
    return all(second.look.running(name).total() >= wanted for name, wanted in second.look.wanted.items())


def _all_run_within(played: Played) -> float:
    """Return the seconds until all wanted pods run."""
    whole = (second.at for second in played.seconds if second.look.wanted and _all_run(second))
    return next(whole, NEVER) - played.scene.judged


def _skew(second: Second) -> int:
    """Return the largest difference between two zones' pods of a Deployment."""
    zones = second.look.nodes.keys()
    return max(
        max(counts.values(), default=0) - min((counts[zone] for zone in zones), default=0)
        for counts in (second.look.running(name) for name in second.look.wanted)
    )


def _outside(second: Second, name: str, zone: str) -> int:
    """Return the number of a Deployment's pods that run in other zones."""
    running = second.look.running(name)
    return running.total() - running[zone]


def _until_for_good(seconds: Sequence[Second], holds: Callable[[Second], bool]) -> float:
    """Return the time from the first of these seconds until something holds for good."""
    lacking = [second.at for second in seconds if not holds(second)]
    if not lacking:
        return 0
    return NEVER if lacking[-1] == seconds[-1].at else lacking[-1] - seconds[0].at


def _wanted_run_within(played: Played) -> float:
    """Return the seconds from the loss of the zone until the wanted pods run outside it, for good.

    The autoscaler asks for more only once the loss is felt: what counts is when it has what it wants.
    """
    zone = played.event("lose_zone").to

    def run(second: Second) -> bool:
        return all(_outside(second, name, zone) >= wanted for name, wanted in second.look.wanted.items())

    return _until_for_good(played.outage, run)


def _below(played: Played, floor: Callable[[int, int], int]) -> float:
    """Return by how many pods any Deployment outside the lost zone fell below a floor, in the worst second.

    The floor is given the pods that ran before the loss, outside the zone and in all.
    """
    zone, before = played.event("lose_zone").to, played.last_before(played.event("lose_zone").at)
    floors = {
        name: floor(_outside(before, name, zone), before.look.running(name).total()) for name in before.look.wanted
    }
    return max(floors[name] - _outside(second, name, zone) for second in played.outage for name in floors)


def _gone_from_balancer(played: Played) -> float:
    """Return the seconds from the loss until no request goes to the lost zone."""
    return _until_for_good(played.outage, lambda second: not any(each.failed for each in second.served.values()))


def _failing_seconds(played: Played) -> float:
    return sum(any(outcome.failed > 0 for outcome in second.served.values()) for second in played.seconds)


def _even_within(played: Played) -> float:
    """Return the seconds from the zone's return until zones differ by at most one pod of a service, for good."""
    return _until_for_good(played.between(played.event("return_zone").at), lambda second: _skew(second) <= 1)


def _p95(second: Second) -> float:
    return max((outcome.p95 for outcome in second.served.values() if outcome.offered), default=0.0)


def _p95_back_within(played: Played) -> float:
    """Return the seconds from the beginning of the last rise until latency is within the objective for good."""
    points = played.scene.offered
    rise = max(begin for (begin, low), (_, high) in pairwise(points) if high > low)
    return _until_for_good(played.between(rise), lambda second: _p95(second) <= OBJECTIVE_P95)


def _served(seconds: Sequence[Second]) -> float:
    """Return the percentage of requests that were served."""
    outcomes = [outcome for second in seconds for outcome in second.served.values()]
    waiting = sum(outcome.waiting for outcome in seconds[-1].served.values())
    return 100 * (sum(each.served for each in outcomes) + waiting) / (sum(each.offered for each in outcomes) or 1)


def _taken_away(played: Played) -> float:
    """Return by how many pods any Deployment fell below what it ran before the rollout, in the worst second."""
    began = played.event("roll_out").at
    before = played.last_before(began).look
    return max(
        before.running(name).total() - second.look.running(name).total()
        for second in played.between(began)
        for name in before.wanted
    )


def _next_image(played: Played) -> float:
    """Return whether all pods have the image that was rolled out: 0 if any has another."""
    (image,) = {event.to for event in played.scene.events if event.does == "roll_out"}
    return float(all(pod.image.endswith(DIGESTS[image]) for pod in played.seconds[-1].look.pods))


def _old_nodes(played: Played) -> float:
    before = played.last_before(played.event("renew_all_nodes").at).look.processors
    return len(before.keys() & played.seconds[-1].look.processors.keys())


def _over_floor(played: Played) -> float:
    """Return how many pods are wanted at the end beyond the fewest that were wanted."""
    last, least = played.seconds[-1].look.wanted, FLOOR
    return sum(max(0, wanted - least) for wanted in last.values())


def _cost_at_end(played: Played) -> float:
    """Return the cost of nodes at the end, as a percentage of the dearest second's."""
    costs = [second.look.usd_an_hour for second in played.seconds]
    return 100 * costs[-1] / max(costs)


Rule = tuple[str, Callable[[Played], float], bool]
RULES: dict[str, Rule] = {
    "all_run_within": ("all pods run within {:g} s", _all_run_within, True),
    "skew_at_end": ("zones differ by at most {:g} pods of a service", lambda each: _skew(each.seconds[-1]), True),
    "wanted_run_within": ("all wanted pods run in the other zones within {:g} s", _wanted_run_within, True),
    "never_below_two_zones": (
        "no service has more than {:g} pods less than the other zones had",
        lambda played: _below(played, lambda outside, _: outside),
        True,
    ),
    "never_below_two_thirds": (
        "no service has more than {:g} pods less than two thirds",
        lambda played: _below(played, lambda _, all_: 2 * all_ // 3),
        True,
    ),
    "failed_for_at_most": ("requests fail in at most {:g} seconds", _failing_seconds, True),
    "gone_from_balancer_within": ("the zone gets no requests after {:g} s", _gone_from_balancer, True),
    "even_within": ("zones are even again within {:g} s", _even_within, True),
    "p95_back_within": ("p95 is within 0.5 s again after {:g} s", _p95_back_within, True),
    "p95_at_most": ("p95 is {:g} s at most", lambda played: max(map(_p95, played.seconds)), True),
    "served_in_all": ("at least {:g} % are served", lambda played: _served(played.seconds), False),
    "served_at_end": ("at least {:g} % are served at the end", lambda played: _served(played.seconds[-10:]), False),
    "pods_taken_away": ("at most {:g} pods of a service are taken away", _taken_away, True),
    "rolled_back": ("the pipeline's command ends with {:g}", lambda played: played.rollouts[0], False),
    "all_have_the_next_image": ("all pods have the new image: {:g}", _next_image, False),
    "old_nodes_at_end": ("at most {:g} of the nodes before are there", _old_nodes, True),
    "pods_at_end_over_floor": ("at most {:g} pods more than the fewest are wanted", _over_floor, True),
    "cost_at_end_of_peak": ("nodes cost at most {:g} % of the peak's", _cost_at_end, True),
}
"""By name: a sentence, what is measured, and whether the limit is a most (otherwise a least)."""
