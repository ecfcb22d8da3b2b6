"""Fixtures of tests with Pulumi's real Kubernetes provider and a real API server.

AWS and EKS are stand-ins, which hand out a kubeconfig as EKS does, and nodes are played: pods never run.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Until
from tests.engine import control_plane, parts, played_aws, played_eks, providers
from tests.engine.conftest import YES, Make, change
from tests.engine.control_plane import Api
from tests.engine.played_delivery import Stored
from tests.stacks.graphs import graph_of

_ABSENT = parts.absent("pulumi", "pulumi-resource-kubernetes", *control_plane.PROGRAMS)
NEEDS_CLUSTER = pytest.mark.skipif(_ABSENT is not None, reason=str(_ABSENT))  # with CI=true tests/skips.py refuses it


@pytest.fixture(scope="module")
def api(until: Until) -> Iterator[Api]:
    """An API server that knows the groups of dev's access entries."""
    entries = graph_of("dev").of("aws:eks/accessEntry:AccessEntry")
    groups = sorted({group for entry in entries for group in entry.inputs.get("kubernetesGroups", ())})
    with control_plane.running(groups) as connection, played_eks.playing(connection):
        until(lambda: played_eks.is_settled(connection))
        yield connection


@pytest.fixture(scope="module")
def empty(api: Api) -> set[control_plane.Key]:
    """The objects that the API server has before anything is deployed."""
    return control_plane.objects(api)


@pytest.fixture(scope="module")
def world(api: Api, cloud: Callable[[str], Any]) -> providers.World:
    return providers.World(kubeconfig=played_eks.kubeconfig(api), parameters=Stored(cloud("ssm")))


@pytest.fixture(scope="module")
def packages() -> Sequence[str]:
    return ("aws", "eks")


@pytest.fixture(scope="module")
def commands(api: Api, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let kubectl and Pulumi call the API server as its administrator, and aws call moto."""
    folder = tmp_path_factory.mktemp("commands")
    played_aws.write_command(folder)
    (folder / "kubeconfig").write_text(played_eks.kubeconfig(api))
    variables["KUBECONFIG"] = str(folder / "kubeconfig")
    variables["KUBERNETES_TOKEN"] = api.token
    variables["PATH"] = f"{folder}{os.pathsep}{variables['PATH']}"


@pytest.fixture(scope="module")
def deployed(empty: set[control_plane.Key], make: Make, commands: None, checkout: Path) -> str:
    """Deploy dev before any image is delivered; a pod is available when it was ready for a second, not for 30."""
    change(checkout / "platform" / "cloud" / "workload.py", '"min_ready_seconds": 15', '"min_ready_seconds": 1')
    return make("deploy", "ENV=dev", YES)
