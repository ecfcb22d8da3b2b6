"""Tests of dev's life with Pulumi's real engine, its real Kubernetes provider and a real API server.

Each step of it is a fixture that returns what was seen after it. A step asks for the one before, so tests may run in
any order.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.processes import CARE
from pipelines.layer_permissions import IN_KUBERNETES
from stacks.settings import NO_IMAGE
from tests.engine import control_plane, providers
from tests.engine.cluster.conftest import NEEDS_CLUSTER
from tests.engine.conftest import YES, Make, change
from tests.engine.control_plane import Api, Key
from tests.stacks.graphs import graph_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    NEEDS_CLUSTER,
]
IMAGES = ["sha256:" + digit * 64 for digit in "12"]
SCALERS = "horizontalpodautoscalers"
PATCHED = ("ConfigMap", "kube-system", "amazon-vpc-cni")
"""An object of EKS's own, from which Pulumi takes its fields but which it leaves to the cluster."""


@dataclass(frozen=True)
class Seen:
    """What a step printed, and the cluster after it.

    `workloads` are Deployments, Jobs and autoscalers by kind and name.
    """

    printed: str
    objects: set[Key]
    workloads: dict[tuple[str, str], dict[str, Any]]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: workload for (of_kind, name), workload in self.workloads.items() if of_kind == kind}

    @property
    def images(self) -> set[str]:
        """The digests of the Deployments' images."""
        return {digest_of(deployment) for deployment in self.of("deployments").values()}


def seen(api: Api, printed: str) -> Seen:
    listed = {
        (kind, workload["metadata"]["name"]): workload
        for group, kind in (("apps/v1", "deployments"), ("batch/v1", "jobs"), ("autoscaling/v2", SCALERS))
        for workload in api.list(f"/apis/{group}/namespaces/rewards/{kind}")
    }
    return Seen(printed, control_plane.objects(api), listed)


def image_of(workload: dict[str, Any]) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def digest_of(workload: dict[str, Any]) -> str:
    return image_of(workload).partition("@")[2]


@pytest.fixture(scope="module")
def up(deployed: str, api: Api) -> Seen:
    return seen(api, deployed)


@pytest.fixture(scope="module")
def again(make: Make, up: Seen, api: Api) -> Seen:
    """Deploy what is in Kubernetes a second time."""
    return seen(api, make("deploy", "ENV=dev", f"LAYERS={' '.join(IN_KUBERNETES)}", YES))


@pytest.fixture(scope="module")
def released(make: Make, again: Seen, api: Api) -> list[Seen]:
    """Roll out two images."""
    repository = image_of(next(iter(again.of("deployments").values()))).partition("@")[0]
    rollout = ["rollout", f"PYTHON={sys.executable}", "NAMESPACE=rewards"]
    return [seen(api, make(*rollout, f"IMAGE={repository}@{digest}")) for digest in IMAGES]


@pytest.fixture(scope="module")
def updated(make: Make, released: list[Seen], api: Api, checkout: Path) -> Seen:
    """Deploy with other settings of pods and autoscalers, after a floor was raised and the autoscaler added a pod."""
    moved = released[-1].of("deployments")["api"]["spec"]["replicas"] + 1
    scaler = f"/apis/autoscaling/v2/namespaces/rewards/{SCALERS}/api"
    api.call("PATCH", scaler, {"spec": {"minReplicas": moved}}, fieldManager=CARE)
    api.call("PATCH", "/apis/apps/v1/namespaces/rewards/deployments/api", {"spec": {"replicas": moved}})
    change(checkout / "platform" / "cloud" / "autoscaler.py", "CPU_PERCENT = 60", "CPU_PERCENT = 61")
    change(checkout / "platform" / "cloud" / "pods.py", "_GRACE_SECONDS = 45", "_GRACE_SECONDS = 50")
    return seen(api, make("deploy", "ENV=dev", "LAYERS=apps", YES))


@pytest.fixture(scope="module")
def destroyed(make: Make, updated: Seen, api: Api) -> Seen:
    return seen(api, make("destroy", "ENV=dev", YES))


def test_all_layers_go_up_without_an_image(up: Seen) -> None:
    assert "error:" not in up.printed
    declared = {
        (resource.token.rpartition(":")[2].removesuffix("Patch"), resource.inputs["metadata"]["name"])
        for resource in graph_of("dev").resources
        if resource.token.startswith("kubernetes:") and "name" in resource.inputs["metadata"]
    }
    assert declared <= {(kind, name) for kind, _, name in up.objects}
    assert up.images == {NO_IMAGE}


def test_a_second_deployment_changes_nothing(again: Seen) -> None:
    assert len(re.findall(r"^\s+\d+ unchanged$", again.printed, re.MULTILINE)) == len(IN_KUBERNETES)
    assert not re.findall(r"^\s*[-+~] \d+ ", again.printed, re.MULTILINE)


def test_the_pipelines_rollout_delivers_one_image_after_the_other(released: list[Seen]) -> None:
    assert [each.images for each in released] == [{digest} for digest in IMAGES]
    for name, deployment in released[-1].of("deployments").items():
        assert deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"], name
    jobs = released[-1].of("jobs").values()
    assert {digest_of(job) for job in jobs if job["status"].get("succeeded")} == set(IMAGES)


def test_an_update_keeps_the_release_and_what_the_autoscaler_moved(released: list[Seen], updated: Seen) -> None:
    assert updated.images == {IMAGES[-1]}
    for deployment in updated.of("deployments").values():
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 50
    before, after = (each.of("deployments")["api"]["spec"]["replicas"] for each in (released[-1], updated))
    assert after == before + 1


def test_an_update_of_an_autoscaler_keeps_a_raised_floor(updated: Seen, released: list[Seen]) -> None:
    scaler = updated.of(SCALERS)["api"]["spec"]
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 61
    assert scaler["minReplicas"] == released[-1].of("deployments")["api"]["spec"]["replicas"] + 1


def test_destroy_leaves_nothing(destroyed: Seen, empty: set[Key], world: providers.World) -> None:
    assert not world.made
    assert sorted(destroyed.objects - empty) == [PATCHED]
