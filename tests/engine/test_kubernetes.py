"""Tests of dev's life with Pulumi's real engine, its real Kubernetes provider and a real API server.

AWS and EKS are stand-ins, which return the API server's kubeconfig. Nodes are simulated: containers never run.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines import delivered
from pipelines.layer_permissions import IN_KUBERNETES
from stacks.settings import NO_IMAGE
from tests.conftest import Until
from tests.engine import control_plane, parts, played_eks, providers
from tests.engine.conftest import YES, Make
from tests.engine.control_plane import Api
from tests.stacks.graphs import graph_of

_ABSENT = parts.absent("pulumi", "pulumi-resource-kubernetes", *control_plane.PROGRAMS)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    pytest.mark.skipif(_ABSENT is not None, reason=str(_ABSENT)),  # with CI=true tests/skips.py refuses it
]
IMAGES = ["sha256:" + digit * 64 for digit in "12"]
Objects = set[tuple[str, str, str]]
PATCHED = ("ConfigMap", "kube-system", "amazon-vpc-cni")
"""An object of EKS's own, from which Pulumi takes its fields but which it leaves to the cluster."""
AWS = f"""#!{sys.executable}
import os, sys, boto3
action, options = sys.argv[2], dict(zip(sys.argv[3:], sys.argv[4:]))
ssm, name = boto3.client("ssm", region_name=os.environ["AWS_REGION"]), options["--name"]
if action == "put-parameter":
    ssm.put_parameter(Name=name, Value=options["--value"], Type="String", Overwrite=True)
else:
    try:
        print(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound as absent:
        sys.exit(str(absent))
"""
"""`aws ssm get-parameter` and `put-parameter`, for a machine that may not have the aws command."""


class Stored(dict[str, str]):
    """The records of delivered releases by parameter name; iterating reads them from moto's Parameter Store again."""

    def __init__(self, ssm: Any) -> None:
        super().__init__()
        self._ssm = ssm

    def items(self) -> Any:
        stored = self._ssm.get_parameters_by_path(Path=delivered.ROOT, Recursive=True)["Parameters"]
        return {parameter["Name"]: parameter["Value"] for parameter in stored}.items()


@pytest.fixture(scope="module")
def api(until: Until) -> Iterator[Api]:
    with control_plane.running() as connection, played_eks.playing(connection):
        until(lambda: played_eks.is_settled(connection))
        yield connection


@pytest.fixture(scope="module")
def before(api: Api) -> Objects:
    return control_plane.objects(api)


@pytest.fixture(scope="module")
def world(api: Api, cloud: Callable[[str], Any]) -> providers.World:
    return providers.World(kubeconfig=api.kubeconfig, parameters=Stored(cloud("ssm")))


@pytest.fixture(scope="module")
def packages() -> Sequence[str]:
    return ("aws", "eks")


@pytest.fixture(scope="module")
def commands(api: Api, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Set PATH and KUBECONFIG so that kubectl calls the API server, and the `aws` command calls moto."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "aws").write_text(AWS)
    (folder / "aws").chmod(0o755)
    (folder / "kubeconfig").write_text(api.kubeconfig)
    variables["KUBECONFIG"] = str(folder / "kubeconfig")
    variables["PATH"] = f"{folder}{os.pathsep}{variables['PATH']}"


@pytest.fixture(scope="module")
def deployed(before: Objects, make: Make, commands: None, checkout: Path) -> str:
    """Deploy dev before any image is delivered, and return the output.

    To save time, `minReadySeconds` is changed from 30 to 1: pods count as available after one second.
    """
    change(checkout / "platform" / "cloud" / "workload.py", '"min_ready_seconds": 30', '"min_ready_seconds": 1')
    return make("deploy", "ENV=dev", YES)


@pytest.fixture(scope="module")
def released(make: Make, deployed: str, api: Api) -> list[set[str]]:
    """Roll out two images, and return the digests that were in the cluster after each."""
    repository = image_of(next(iter(deployments(api).values()))).partition("@")[0]
    digests = []
    for digest in IMAGES:
        make("rollout", f"PYTHON={sys.executable}", "NAMESPACE=rewards", f"IMAGE={repository}@{digest}")
        digests.append(images(api))
    return digests


def change(module: Path, before: str, after: str) -> None:
    code = module.read_text()
    assert before in code
    module.write_text(code.replace(before, after))


def deployments(api: Api) -> dict[str, dict[str, Any]]:
    listed = api.list("/apis/apps/v1/namespaces/rewards/deployments")
    return {deployment["metadata"]["name"]: deployment for deployment in listed}


def image_of(workload: dict[str, Any]) -> str:
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


def images(api: Api) -> set[str]:
    """Return the digests of the Deployments' images."""
    return {image_of(deployment).partition("@")[2] for deployment in deployments(api).values()}


def test_all_layers_go_up_without_an_image(deployed: str, api: Api) -> None:
    assert "error:" not in deployed
    declared = {
        (resource.token.rpartition(":")[2].removesuffix("Patch"), resource.inputs["metadata"]["name"])
        for resource in graph_of("dev").resources
        if resource.token.startswith("kubernetes:") and "name" in resource.inputs["metadata"]
    }
    assert declared <= {(kind, name) for kind, _, name in control_plane.objects(api)}
    assert images(api) == {NO_IMAGE}


def test_a_second_deployment_changes_nothing(make: Make, deployed: str) -> None:
    again = make("deploy", "ENV=dev", f"LAYERS={' '.join(IN_KUBERNETES)}", YES)
    assert len(re.findall(r"^\s+\d+ unchanged$", again, re.MULTILINE)) == len(IN_KUBERNETES)
    assert not re.findall(r"^\s*[-+~] \d+ ", again, re.MULTILINE)


def test_the_pipelines_rollout_delivers_one_image_after_the_other(released: list[set[str]], api: Api) -> None:
    assert released == [{digest} for digest in IMAGES]
    for name, deployment in deployments(api).items():
        assert deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"], name
    jobs = api.list("/apis/batch/v1/namespaces/rewards/jobs")
    assert {image_of(job).partition("@")[2] for job in jobs if job["status"].get("succeeded")} == set(IMAGES)


def test_an_update_keeps_the_release_and_what_the_autoscaler_moved(
    make: Make, released: list[set[str]], api: Api, checkout: Path
) -> None:
    moved = deployments(api)["api"]["spec"]["replicas"] + 1
    api.call("PATCH", "/apis/apps/v1/namespaces/rewards/deployments/api", {"spec": {"replicas": moved}})
    change(checkout / "platform" / "cloud" / "pods.py", "_GRACE_SECONDS = 45", "_GRACE_SECONDS = 50")
    make("deploy", "ENV=dev", "LAYERS=apps", YES)
    assert images(api) == {IMAGES[-1]}
    for deployment in deployments(api).values():
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 50
    assert deployments(api)["api"]["spec"]["replicas"] == moved


def test_destroy_leaves_nothing(make: Make, deployed: str, before: Objects, api: Api, world: providers.World) -> None:
    make("destroy", "ENV=dev", YES)
    assert not world.made
    assert sorted(control_plane.objects(api) - before) == [PATCHED]
