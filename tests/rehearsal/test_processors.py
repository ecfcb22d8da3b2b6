"""Tests of how pods share their nodes' processors."""

from math import inf

import pytest

from tests.rehearsal.look import Look, Pod
from tests.rehearsal.processors import shares, wanted
from tests.rehearsal.queueing import Served

NODE = 1.5


def pod(name: str, deployment: str, node: str = "n", requested: float = 0.25, limit: float = 1.0) -> Pod:
    return Pod(name, deployment, {}, (), "", node, "a", 30.0, requested, limit)


def seen(*pods: Pod) -> Look:
    return Look(pods, {}, {}, {"n": NODE, "m": NODE}, 0.0)


def test_pods_that_all_want_more_share_a_node_by_what_they_request() -> None:
    pods = [pod("a", "shop"), pod("b", "shop"), pod("c", "shop", requested=0.5)]
    assert shares(seen(*pods), {"shop": inf}) == {
        "a": pytest.approx(NODE / 4),
        "b": pytest.approx(NODE / 4),
        "c": pytest.approx(NODE / 2),
    }


def test_what_an_idle_pod_leaves_goes_to_those_that_want_more() -> None:
    pods = [pod("a", "shop"), pod("b", "shop"), pod("idle", "night")]
    own = shares(seen(*pods), {"shop": inf, "night": 0.1})
    assert own["a"] == own["b"] == pytest.approx((NODE - 0.1) / 2)


def test_no_pod_uses_more_than_its_limit_and_a_node_never_more_than_it_has() -> None:
    alone, crowd = pod("alone", "shop", "n"), [pod(f"c{number}", "shop", "m") for number in range(9)]
    own = shares(seen(alone, *crowd), {"shop": inf})
    assert own["alone"] == 1.0
    assert sum(own[each.name] for each in crowd) == pytest.approx(NODE)


def test_pending_pods_have_no_share() -> None:
    assert shares(seen(pod("a", "shop", node="")), {"shop": inf}) == {}


def test_pods_whose_requests_wait_want_all_there_is() -> None:
    calm = Served(10, 10, 0, 0, 0, 0.2, 0.01)
    late = Served(10, 8, 0, 0, 2, 0.2, 0.5)
    assert wanted({"calm": calm, "late": late}) == {"calm": 0.2, "late": inf}
