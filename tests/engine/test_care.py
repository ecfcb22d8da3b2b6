"""Tests of the function `cluster-care` on a real API server and scheduler: prod's objects, and its group's rights."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.care import service
from app.care.floors import Floor
from app.processes import CARE, CARING, LEAST
from tests.conftest import Until
from tests.engine import control_plane, parts, played_eks
from tests.engine.control_plane import Api, Refused
from tests.rehearsal import play
from tests.stacks.graphs import graph_of

_ABSENT = parts.absent(*control_plane.PROGRAMS)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(_ABSENT is not None, reason=str(_ABSENT)),  # with CI=true tests/skips.py refuses it
]
NAMESPACE = play.NAMESPACE
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
    "PodDisruptionBudget": f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles",
    "RoleBinding": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings",
    "Deployment": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    "HorizontalPodAutoscaler": f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers",
}
"""The kinds of prod's objects that matter here, in the order in which they are made."""
_SCALERS = _PATHS["HorizontalPodAutoscaler"]


@pytest.fixture(scope="module")
def api(until: Until) -> Iterator[Api]:
    """A cluster whose services began while the third zone's node took no pods; now it takes some."""
    with control_plane.running([CARING]) as server, played_eks.playing(server):
        until(lambda: played_eks.is_settled(server))
        node = max(each["metadata"]["name"] for each in server.list("/api/v1/nodes"))
        server.call("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
        manifests = play.manifests(graph_of("prod", imageDigest=play.DELIVERED))
        for kind, path in _PATHS.items():
            for manifest in (each for each in manifests if each["kind"] == kind):
                server.call("POST", path, manifest)
        until(lambda: all(counts.total() == 3 for counts in ready(server).values()))
        server.call("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": False}})
        until(lambda: not any("taints" in each["spec"] for each in server.list("/api/v1/nodes")))
        yield server


def ready(api: Api) -> dict[str, Counter[str]]:
    """Return the numbers of ready pods by node of each Deployment."""
    pods = api.list(f"/api/v1/namespaces/{NAMESPACE}/pods")
    running = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)]
    return {
        name: Counter(pod["spec"]["nodeName"] for pod in running if pod["metadata"]["labels"][play.NAME] == name)
        for name in (each["metadata"]["name"] for each in api.list(_PATHS["Deployment"]))
    }


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True"


def test_zones_are_even_after_a_zone_came_back(api: Api, until: Until) -> None:
    before = ready(api)
    assert {max(counts.values()) for counts in before.values()} == {2}
    cared, moved = api.of(CARING).as_functions_call_it(), list[str]()

    def is_even() -> bool:
        moved.extend(service.even(cared, NAMESPACE))
        return all(len(counts) == counts.total() == 3 for counts in ready(api).values())

    until(is_even)
    assert len(moved) == len(before)
    assert service.even(cared, NAMESPACE) == []


def test_floors_raise_minima_and_fall(api: Api, until: Until) -> None:
    cared, now = api.of(CARING).as_functions_call_it(), datetime.now(UTC)
    floors = [Floor("catalog", 5, now, now + timedelta(hours=1)), Floor("gone", 5, now, now + timedelta(hours=1))]
    assert service.set_least(cared, NAMESPACE, floors, now) == {"catalog": 5}
    assert service.set_least(cared, NAMESPACE, floors, now) == {}
    until(lambda: ready(api)["catalog"].total() == 5)
    assert service.set_least(cared, NAMESPACE, floors, now + timedelta(hours=1)) == {"catalog": 3}


def _pod(api: Api) -> str:
    return str(api.list(f"/api/v1/namespaces/{NAMESPACE}/pods")[0]["metadata"]["name"])


def refusal(api: Api, method: str, path: str, body: dict[str, Any] | None = None) -> str:
    """Try a call in the function's group, in a dry run; return why it is refused, or ''."""
    try:
        api.of(CARING).call(method, path, body, dryRun="All")
    except Refused as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"maxReplicas": 100}},
        {"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders"}}},
        {"spec": {"metrics": None}},
        {"spec": {"behavior": None}},
        {"spec": {"minReplicas": 5, "maxReplicas": 6}},
        {"metadata": {"annotations": {LEAST: "9"}}},
    ],
    ids=lambda change: "+".join(next(iter(change.values()))),
)
def test_it_changes_nothing_of_an_autoscaler_but_the_minimum(api: Api, change: dict[str, Any], until: Until) -> None:
    assert f"'{CARE}'" in refusal(api, "PATCH", f"{_SCALERS}/catalog", change)
    assert not refusal(api, "PATCH", f"{_SCALERS}/catalog", {"spec": {"minReplicas": 7}})


def test_it_may_do_nothing_else(api: Api) -> None:
    pods, eviction = f"/api/v1/namespaces/{NAMESPACE}/pods", {"apiVersion": "policy/v1", "kind": "Eviction"}
    name = _pod(api)
    for method, path, body in (
        ("DELETE", f"{pods}/{name}", None),
        ("DELETE", f"{_SCALERS}/catalog", None),
        ("PATCH", f"{_PATHS['Deployment']}/catalog", {"spec": {"replicas": 0}}),
        ("PATCH", "/apis/autoscaling/v2/namespaces/kube-system/horizontalpodautoscalers/it", {}),
        ("POST", "/api/v1/namespaces/kube-system/pods/it/eviction", eviction),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets", None),
        ("GET", "/api/v1/secrets", None),
        ("PATCH", f"/api/v1/nodes/{_node(api)}", {"spec": {"unschedulable": True}}),
    ):
        assert "forbidden" in refusal(api, method, path, body), (method, path)
    meta = {"name": name, "namespace": NAMESPACE}
    assert not refusal(api, "POST", f"{pods}/{name}/eviction", {**eviction, "metadata": meta})


def _node(api: Api) -> str:
    return str(api.list("/api/v1/nodes")[0]["metadata"]["name"])
