"""A cluster without machines: Kubernetes' control plane, Karpenter buying simulated nodes, kwok as their kubelets.

All are processes on loopback, except that Karpenter's health checks listen on every address, which it can't be told.
Timings are Kubernetes' defaults, which EKS has too, unless a scene shortens them.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.local.preflight import free_port
from app.processes import CARING
from tests.engine import control_plane, parts, played_eks
from tests.engine.control_plane import Api
from tests.rehearsal import kubelets, metrics_api
from tests.rehearsal.metrics_api import Metrics
from tests.rehearsal.stage_data import ZONE, Figures, figures
from tests.rehearsal.times import USUAL, Times

PROGRAMS = (*control_plane.PROGRAMS, "kwok", "karpenter-kwok")
_START_SECONDS = 120


@dataclass(frozen=True)
class Stage:
    """A running cluster: its API server, and what its pods use."""

    api: Api
    metrics: Metrics
    figures: Figures
    folder: Path

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return its output. Raises AssertionError with its complaint."""
        command = [str(parts.program("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        ended = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"kubectl {' '.join(arguments)}: {ended.stderr}"
        return ended.stdout

    def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        """Create or change objects, refusing unknown fields."""
        documents = "\n---\n".join(json.dumps(each) for each in objects)
        self.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-", stdin=documents)

    def nodes(self) -> list[dict[str, Any]]:
        return self.api.list("/api/v1/nodes")

    def zone_nodes(self, zone: str) -> list[str]:
        """Return the names of a zone's nodes."""
        return [node["metadata"]["name"] for node in self.nodes() if node["metadata"]["labels"].get(ZONE) == zone]

    @property
    def capacity(self) -> Path:
        """The file that names the zones without capacity for new nodes, one a line."""
        return self.folder / "zones-without-capacity"


@contextmanager
def running(times: Times = USUAL) -> Iterator[Stage]:
    """Start the cluster, without nodes, and finally stop all of it and remove its files."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rewards-rehearsal-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        api = stack.enter_context(control_plane.running([CARING], times.flags))
        stage = Stage(api, Metrics(), figures(), folder)
        stage.kubeconfig.write_text(api.kubeconfig())
        _add_kinds(stage)
        stack.enter_context(_kubelets(stage))
        stack.enter_context(_autoscaler(stage))
        port = stack.enter_context(metrics_api.serving(stage.metrics, folder))
        stage.apply(metrics_api.objects(port))
        wait_until(lambda: _serves_metrics(stage), _START_SECONDS)
        yield stage


def wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.2) -> float:
    """Wait until the condition holds, and return how long it took. Raises TimeoutError."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds} s: {condition}")
        time.sleep(every)
    return time.monotonic() - began


def _add_kinds(stage: Stage) -> None:
    """Add Karpenter's kinds with their schemas, and Auto Mode's own, which may hold anything."""
    for file in parts.files("karpenter"):
        stage.kubectl("apply", "--server-side", "-f", str(file))
    own = {kind: of for kind, of in played_eks.KINDS.items() if of[0] == "eks.amazonaws.com"}
    stage.apply([played_eks.definition(kind, *of) for kind, of in own.items()])
    stage.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={_START_SECONDS}s")
    node_class = {
        "apiVersion": "karpenter.kwok.sh/v1alpha1",
        "kind": "KWOKNodeClass",
        "metadata": {"name": "default"},
        "spec": {"nodeRegistrationDelay": f"{stage.figures.nodes.start_seconds}s"},
    }
    stage.apply([node_class])


@contextmanager
def _kubelets(stage: Stage) -> Iterator[None]:
    config = stage.folder / "kwok.yaml"
    config.write_text(kubelets.config(stage.figures))
    flags = [
        f"--kubeconfig={stage.kubeconfig}",
        f"--config={config}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",  # as kubelets have it; renewed every 10 seconds
        "--cidr=10.1.0.1/16",
    ]
    with control_plane.running_program(stage.folder, "kwok", *flags):
        yield


@contextmanager
def _autoscaler(stage: Stage) -> Iterator[None]:
    types = stage.folder / "instance-types.json"
    types.write_text(json.dumps(stage.figures.karpenter_types()))
    variables = {
        "KUBECONFIG": str(stage.kubeconfig),
        "INSTANCE_TYPES_FILE_PATH": str(types),
        "ZONES_WITHOUT_CAPACITY": str(stage.capacity),
        "METRICS_PORT": str(free_port()),
        "HEALTH_PROBE_PORT": str(free_port()),
        "DISABLE_LEADER_ELECTION": "true",
        "KARPENTER_SERVICE": "karpenter",
        "SYSTEM_NAMESPACE": "kube-system",
    }
    with control_plane.running_program(stage.folder, "karpenter-kwok", **variables):
        yield


def _serves_metrics(stage: Stage) -> bool:
    try:
        stage.api.call("GET", f"/apis/{metrics_api.GROUP}/{metrics_api.VERSION}")
    except control_plane.Refused:
        return False
    return True
