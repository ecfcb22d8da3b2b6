"""Tests of the stage and of one short scene on it: Kubernetes, Karpenter and kwok as processes of this machine."""

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psutil
import pytest

from tests.conftest import Measured
from tests.engine import parts
from tests.rehearsal import play, stage
from tests.rehearsal.happenings import Happenings
from tests.rehearsal.look import Look, look
from tests.rehearsal.metrics_api import Use
from tests.rehearsal.stage import Stage, wait_until
from tests.rehearsal.stage_data import figures
from tests.rehearsal.times import Times
from tests.stacks.graphs import graph_of

_ABSENT = parts.absent(*stage.PROGRAMS)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(_ABSENT is not None, reason=str(_ABSENT)),  # with CI=true tests/skips.py refuses it
]
NODES_LATEST_S, PODS_LATEST_S = 240, 240
"""How long a machine may take that is busy with other things; what it took is printed."""


def test_a_stage_leaves_nothing_behind(record_property: Measured) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with stage.running() as cluster:
        during = {process.pid: process.name() for process in psutil.Process().children(recursive=True)}
        folders = [cluster.folder, cluster.api.certificate.parents[1]]
        assert {name for name in stage.PROGRAMS if name != "kubectl"} <= set(during.values())
        assert all(map(Path.exists, folders))
    left = {pid: name for pid, name in during.items() if pid not in before and psutil.pid_exists(pid)}
    assert not left
    assert not any(map(Path.exists, folders))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    """A cluster with prod's objects, which begins without nodes; a silent node is lost sooner than elsewhere."""
    with stage.running(Times(node_grace=30, pod_toleration=10)) as running:
        running.apply(play.manifests(graph_of("prod", imageDigest=play.DELIVERED)))
        yield running


def all_run(seen: Look) -> bool:
    """Return true if all wanted pods run, and at least three of each service are wanted.

    A Deployment begins with one, until the autoscaler first looks at it.
    """
    return bool(seen.wanted) and all(
        seen.running(name).total() == wanted >= len(figures().nodes.zones) for name, wanted in seen.wanted.items()
    )


def test_a_first_deployment_buys_nodes_and_spreads_pods_over_the_zones(
    cluster: Stage, record_property: Measured
) -> None:
    took = wait_until(lambda: all_run(look(cluster)), NODES_LATEST_S, every=1)
    record_property("measured", f"from no nodes to all pods ready: {took:.0f} s")
    seen = look(cluster)
    assert set(seen.nodes) == set(figures().nodes.zones)
    assert {name: seen.running(name) for name in seen.wanted} == {
        name: Counter(figures().nodes.zones) for name in seen.wanted
    }
    assert seen.usd_an_hour > 0


def test_the_autoscaler_acts_on_what_pods_use(cluster: Stage, record_property: Measured) -> None:
    wait_until(lambda: all_run(look(cluster)), NODES_LATEST_S, every=1)

    def publish() -> bool:
        seen = look(cluster)
        uses = [
            Use(play.NAMESPACE, pod.name, pod.labels, pod.containers, 0.25 if pod.deployment == "catalog" else 0.01)
            for pod in seen.pods
            if pod.ready_for
        ]
        cluster.metrics.publish(uses)
        return seen.wanted["catalog"] > 3

    took = wait_until(publish, PODS_LATEST_S, every=1)
    record_property("measured", f"from full processors to more pods wanted: {took:.0f} s")
    wanted = look(cluster).wanted
    assert {name: wanted[name] for name in wanted if name != "catalog"} == dict.fromkeys(wanted.keys() - {"catalog"}, 3)


def test_a_lost_zones_pods_run_in_the_other_zones_before_it_is_back(cluster: Stage, record_property: Measured) -> None:
    """More pods are wanted than nodes have room for: the test before has left more of `catalog`."""
    zone = figures().nodes.zones[-1]
    wait_until(lambda: all_run(look(cluster)), NODES_LATEST_S, every=1)
    happenings = Happenings(cluster)
    happenings.lose_zone(zone)
    wait_until(lambda: not look(cluster).nodes[zone], PODS_LATEST_S, every=1)

    def run_elsewhere() -> bool:
        happenings.keep_silent()
        seen = look(cluster)
        return all_run(seen) and not any(seen.running(name)[zone] for name in seen.wanted)

    took = wait_until(run_elsewhere, NODES_LATEST_S, every=1)
    record_property("measured", f"from the silence of its nodes to all pods ready elsewhere: {took:.0f} s")
    assert max(skew(look(cluster), zone).values()) <= 1
    happenings.return_zone(zone)
    wait_until(lambda: look(cluster).nodes[zone] > 0, PODS_LATEST_S, every=1)
    minutes = count(0, 60)

    def is_even() -> bool:
        happenings.care(next(minutes))
        seen = look(cluster)
        return all_run(seen) and max(skew(seen).values()) <= 1

    took = wait_until(is_even, NODES_LATEST_S, every=2)
    record_property("measured", f"from nodes of the zone that is back to even zones: {took:.0f} s, looking every 2 s")
    happenings.end()


def skew(seen: Look, without: str = "") -> dict[str, int]:
    """Return by Deployment the largest difference between two zones' pods, apart from one zone."""
    zones = [zone for zone in figures().nodes.zones if zone != without]
    counts = {name: [seen.running(name)[zone] for zone in zones] for name in seen.wanted}
    return {name: max(each) - min(each) for name, each in counts.items()}
