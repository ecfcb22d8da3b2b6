"""What must hold in a scene: named rules over its seconds, each with a limit from scenes.toml."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.rehearsal.rehearsal import Second
from tests.rehearsal.scene import Scene

OBJECTIVE_P95 = 0.5
"""Seconds that 95 % of requests take at most: our objective, while no request is refused for lack of room."""
Seconds = Sequence[Second]
NEVER = float("inf")


@dataclass(frozen=True)
class Verdict:
    """A rule's sentence with its limit, what was measured, and whether it holds."""

    rule: str
    measured: float
    holds: bool


def judge(scene: Scene, seconds: Seconds) -> list[Verdict]:
    """Return a verdict for each rule that the scene names."""
    judged = [second for second in seconds if second.at >= scene.judged]
    verdicts = []
    for name, limit in scene.holds.items():
        says, measure, at_most = RULES[name]
        measured = measure(scene, judged)
        verdicts.append(Verdict(says.format(limit), measured, measured <= limit if at_most else measured >= limit))
    return verdicts


def _all_run(second: Second) -> bool:
    return all(second.look.running(name).total() >= wanted for name, wanted in second.look.wanted.items())


def _all_run_within(scene: Scene, seconds: Seconds) -> float:
    """Return the seconds until all wanted pods run in three zones."""
    return next((second.at - scene.judged for second in seconds if _all_run(second) and second.look.wanted), NEVER)


def _skew_at_end(_scene: Scene, seconds: Seconds) -> float:
    """Return the largest difference between two zones' pods of a Deployment."""
    last = seconds[-1].look
    zones = last.nodes.keys()
    return max(
        max(counts.values(), default=0) - min((counts[zone] for zone in zones), default=0)
        for counts in (last.running(name) for name in last.wanted)
    )


def _wanted_run_within(scene: Scene, seconds: Seconds) -> float:
    """Return the seconds from the loss of the zone until all wanted pods run outside it."""
    lost = next(event for event in scene.events if event.does == "lose_zone")

    def run(second: Second) -> bool:
        running = {name: second.look.running(name) for name in second.look.wanted}
        return all(running[name].total() - running[name][lost.zone] >= n for name, n in second.look.wanted.items())

    # The autoscaler asks for more only once the loss is felt: what counts is when it has what it wants for good.
    last_lacking = max((second.at for second in _outage(scene, seconds) if not run(second)), default=lost.at)
    return NEVER if last_lacking == _outage(scene, seconds)[-1].at else last_lacking - lost.at


def _outage(scene: Scene, seconds: Seconds) -> Seconds:
    """Return the seconds from the loss of the zone until its return."""
    begin, end = (
        next(event.at for event in scene.events if event.does == does) for does in ("lose_zone", "return_zone")
    )
    return [second for second in seconds if begin <= second.at < end]


def _below_two_zones(scene: Scene, seconds: Seconds) -> float:
    """Return by how many pods any Deployment fell below those that ran in the two other zones before the loss."""
    lost = next(event for event in scene.events if event.does == "lose_zone")

    def left(second: Second, name: str) -> int:
        running = second.look.running(name)
        return running.total() - running[lost.zone]

    before = max((second for second in seconds if second.at < lost.at), key=lambda second: second.at)
    return max(
        left(before, name) - left(second, name) for second in _outage(scene, seconds) for name in before.look.wanted
    )


def _failing_seconds(_scene: Scene, seconds: Seconds) -> float:
    return sum(any(outcome.failed > 0 for outcome in second.served.values()) for second in seconds)


def _p95_back_within(scene: Scene, seconds: Seconds) -> float:
    """Return the seconds from the beginning of the rise until latency is within the objective for good."""
    rise = next(
        begin for (begin, low), (_, high) in zip(scene.offered[3:], scene.offered[4:], strict=False) if high > low
    )
    late = [second.at for second in seconds if max(outcome.p95 for outcome in second.served.values()) > OBJECTIVE_P95]
    return NEVER if late and late[-1] == seconds[-1].at else max((at - rise for at in late), default=0)


def _served_at_end(_scene: Scene, seconds: Seconds) -> float:
    """Return the percentage of the last ten seconds' requests that were served."""
    last = [outcome for second in seconds[-10:] for outcome in second.served.values()]
    return 100 * sum(outcome.served for outcome in last) / (sum(outcome.offered for outcome in last) or 1)


Rule = tuple[str, Callable[[Scene, Seconds], float], bool]
RULES: dict[str, Rule] = {
    "all_run_within": ("all pods run within {:g} s", _all_run_within, True),
    "even_at_end": ("zones differ by at most {:g} pods of a service", _skew_at_end, True),
    "wanted_run_within": ("all wanted pods run in the other zones within {:g} s", _wanted_run_within, True),
    "never_below_two_zones": (
        "no service has more than {:g} pods less than the other zones had",
        _below_two_zones,
        True,
    ),
    "failed_for_at_most": ("requests fail in at most {:g} seconds", _failing_seconds, True),
    "p95_back_within": ("p95 is within 0.5 s again after {:g} s", _p95_back_within, True),
    "served_at_end": ("at least {:g} % are served at the end", _served_at_end, False),
}
"""By name: a sentence, what is measured, and whether the limit is a most (otherwise a least)."""
