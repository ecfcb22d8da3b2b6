"""Tests of the rules by which scenes are judged, on seconds that are made up; without a cluster."""

from collections.abc import Sequence

import pytest

from tests.rehearsal.look import Look, Pod
from tests.rehearsal.play import BROKEN, NEXT
from tests.rehearsal.queueing import Served
from tests.rehearsal.rehearsal import Second
from tests.rehearsal.scene import Event, Scene
from tests.rehearsal.verdicts import NEVER, RULES, judge

ZONES = "abc"
LOST = (Event(10, "lose_zone", "c"), Event(20, "return_zone", "c"))


def second(
    at: int,
    pods: str,
    wanted: int | None = None,
    *,
    served: float = 100,
    failed: float = 0,
    p95: float = 0.1,
    image: str = NEXT,
    nodes: Sequence[str] = "abc",
) -> Second:
    """Return a second in which one service has a running pod in each of the zones `pods`, such as "aab"."""
    there = [
        Pod(f"pod-{number}", "shop", {}, (), f"app@{image}", zone, zone, 9.0, 0.25, 1.0)
        for number, zone in enumerate(pods)
    ]
    processors = dict.fromkeys(nodes, 1.5)
    look = Look(
        there, {"shop": len(pods) if wanted is None else wanted}, dict.fromkeys(ZONES, 1), processors, len(nodes)
    )
    outcome = Served(100, served, 100 - served - failed, failed, 0, 0.1, p95)
    return Second(at, look, {"shop": outcome}, 1.0)


def scene(rule: str, limit: float, events: Sequence[Event] = (), offered: Sequence[tuple[float, float]] = ()) -> Scene:
    return Scene("made-up", "", 40, 0, offered or [(0, 100)], {rule: limit}, events=events)


def measured(rule: str, seconds: Sequence[Second], events: Sequence[Event] = ()) -> float:
    (verdict,) = judge(scene(rule, 0, events), seconds)
    return verdict.measured


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_limit_that_is_just_met_holds(rule: str) -> None:
    events = (*LOST, Event(5, "roll_out", "next"), Event(5, "renew_all_nodes"))
    seconds = [second(at, "abcab") for at in range(30)]
    given = scene(rule, 0, events, [(0, 100), (10, 200)])
    (first,) = judge(given, seconds, rollouts=[1])
    (just,) = judge(scene(rule, first.measured, events, given.offered), seconds, rollouts=[1])
    assert just.holds


def test_pods_in_the_lost_zone_do_not_count_as_running() -> None:
    seconds = [second(9, "abc"), *(second(at, "abc") for at in (10, 11)), *(second(at, "aba", 3) for at in (12, 13))]
    assert measured("wanted_run_within", seconds, events=LOST) == 1
    assert measured("never_below_two_zones", seconds, events=LOST) == 0
    assert measured("never_below_two_zones", [second(9, "abc"), second(10, "a", 3)], events=LOST) == 1


def test_pods_that_never_come_are_told() -> None:
    seconds = [second(at, "ab", 3) for at in range(9, 20)]
    assert measured("wanted_run_within", seconds, events=LOST) == NEVER


def test_zones_are_even_when_they_differ_by_one_pod() -> None:
    after = [second(20, "aabb"), second(21, "aabb"), second(22, "aabc"), second(23, "aabc")]
    assert measured("even_within", after, events=LOST) == 1
    assert measured("skew_at_end", after) == 1
    assert measured("skew_at_end", after[:2]) == 2


def test_requests_without_an_answer_are_told() -> None:
    seconds = [second(at, "abc", failed=10 if at in (10, 11) else 0, served=90) for at in range(9, 15)]
    assert measured("failed_for_at_most", seconds) == 2
    assert measured("gone_from_balancer_within", seconds, events=LOST) == 1
    assert measured("served_in_all", seconds) == pytest.approx(90)


def test_latency_is_back_when_it_is_back_for_good() -> None:
    late = (10, 11, 14)
    seconds = [second(at, "abc", p95=0.9 if at in late else 0.1) for at in range(5, 20)]
    given = scene("p95_back_within", 0, offered=[(0, 1), (10, 1), (12, 9)])
    assert judge(given, seconds)[0].measured == 4
    assert judge(given, seconds[:-5])[0].measured == NEVER


def test_a_rollout_is_judged_by_what_runs_before_and_after() -> None:
    events = (Event(10, "roll_out", "next"),)
    seconds = [second(9, "abc", image=BROKEN), second(10, "ab", 3, image=BROKEN), second(11, "abc")]
    assert measured("pods_taken_away", seconds, events=events) == 1
    assert measured("all_have_the_next_image", seconds, events=events) == 1
    assert measured("all_have_the_next_image", seconds[:2], events=events) == 0


def test_nodes_that_were_there_before_an_upgrade_are_counted() -> None:
    seconds = [second(9, "abc", nodes=["n1", "n2"]), second(10, "abc", nodes=["n2", "n3"])]
    assert measured("old_nodes_at_end", seconds, events=(Event(10, "renew_all_nodes"),)) == 1
    assert measured("cost_at_end_of_peak", [*seconds, second(11, "abc", nodes=["n3"])]) == 50


def test_a_rule_about_an_event_needs_the_event() -> None:
    with pytest.raises(ValueError, match="no event lose_zone"):
        measured("wanted_run_within", [second(0, "abc")])
