"""What happens to a cluster in a scene: zones are lost, nodes replaced, images rolled out by the pipeline's command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from moto.server import ThreadedMotoServer

from app.care import service
from app.care.floors import Floor
from app.processes import CARING
from tests.engine import control_plane, parts, played_aws
from tests.rehearsal.play import DIGESTS, NAMESPACE
from tests.rehearsal.scene import Event
from tests.rehearsal.stage import Stage

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
_CARE_EVERY_S = 60
_OWNED_BY_OTHERS = {
    "Deployment": ("apps/v1/namespaces/{}/deployments", "replicas"),
    "HorizontalPodAutoscaler": ("autoscaling/v2/namespaces/{}/horizontalpodautoscalers", "minReplicas"),
}
_ROLL_OUT = (
    "import sys; from pipelines import rollout; "
    "rollout._ROLLOUT_TIME = sys.argv[1]; sys.exit(rollout.main(sys.argv[2:]))"
)
"""The pipeline's command, which here takes a release back sooner than after ten minutes."""
_PATIENCE = {"next": "300s", "broken": "70s"}


@dataclass
class Happenings:
    """What has happened so far: the zones that are lost, with the second of the loss, and rollouts' exit codes.

    `objects` are those that the program made; `floors` are what `announced-floors` has planned.
    """

    stage: Stage
    objects: Sequence[dict[str, Any]] = ()
    floors: Sequence[Floor] = ()
    cares: bool = True
    lost: dict[str, int] = field(default_factory=dict)
    rollouts: list[int] = field(default_factory=list)
    _at: int = 0
    _care_at: int = 0
    _silent: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(max_workers=4))
    _begun: list["Future[None]"] = field(default_factory=list)

    def begin(self, event: Event, at: int) -> None:
        """Let something happen, beside what goes on."""
        self._at = at
        does: Callable[..., None] = getattr(self, event.does)
        self._begun.append(self._threads.submit(does, *([event.to] if event.to else [])))

    def end(self) -> None:
        """Wait until all that happened is over. Raises what any of it raised."""
        self._threads.shutdown()
        for begun in self._begun:
            begun.result()

    def care(self, at: int) -> None:
        """Begin what the function `cluster-care` does each minute, as the group that it is in."""
        if self.cares and at >= self._care_at:
            self._care_at = at + _CARE_EVERY_S
            self._begun.append(self._threads.submit(self._care))

    def _care(self) -> None:
        kubernetes = self.stage.api.of(CARING).as_functions_call_it()
        service.set_least(kubernetes, NAMESPACE, self.floors, datetime.now(UTC))
        service.even(kubernetes, NAMESPACE)

    def update(self) -> None:
        """Apply the program's objects again, but for what Pulumi leaves to others (tests/engine/cluster tries it)."""
        objects = deepcopy([*self.objects])
        for each in objects:
            if path := _OWNED_BY_OTHERS.get(each["kind"]):
                plural, field = path
                live = self.stage.api.call("GET", f"/apis/{plural.format(NAMESPACE)}/{each['metadata']['name']}")
                each["spec"][field] = live["spec"][field]
        self.stage.apply(objects)

    def lose_zone(self, zone: str) -> None:
        """Silence all nodes of a zone, and let it have no capacity for new ones."""
        self.stage.capacity.write_text(f"{zone}\n")
        with self._lock:
            self.lost[zone] = self._at
        self.keep_silent()

    def keep_silent(self) -> None:
        """Silence nodes that were being launched when their zone was lost, and have come up since."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with self._lock:
            for zone in self.lost:
                spec = {"holderIdentity": "nobody", "renewTime": now, "leaseDurationSeconds": 86_400}
                self._hold_leases(set(self.stage.zone_nodes(zone)) - self._silent, spec)

    def return_zone(self, zone: str) -> None:
        """Let a zone's nodes be heard again, and the zone have capacity."""
        self.stage.capacity.write_text("")
        with self._lock:
            del self.lost[zone]
            self._hold_leases(set(self.stage.zone_nodes(zone)), {"holderIdentity": None})

    def _hold_leases(self, nodes: set[str], spec: dict[str, Any]) -> None:
        for node in nodes:
            with suppress(control_plane.Refused):  # a node that has just come has no lease yet: a second later it has
                self.stage.api.call("PATCH", f"{_LEASES}/{node}", {"spec": spec})
                self._silent = self._silent | {node} if spec["holderIdentity"] else self._silent - {node}

    def shift_zone(self, zone: str) -> None:
        """Do what EKS does when a zonal shift begins: cordon the zone's nodes, and launch none there.

        Source: docs.aws.amazon.com/eks/latest/userguide/zone-shift.html. The pods' requests go elsewhere.
        """
        self.stage.capacity.write_text(f"{zone}\n")
        for node in self.stage.zone_nodes(zone):
            self.stage.kubectl("cordon", node)

    def end_shift(self, zone: str) -> None:
        self.stage.capacity.write_text("")
        for node in self.stage.zone_nodes(zone):
            self.stage.kubectl("uncordon", node)

    def renew_oldest_node(self) -> None:
        """Let Karpenter replace the node that has been there the longest."""
        claims = self.stage.api.list(_CLAIMS)
        oldest = min(claims, key=lambda claim: str(claim["metadata"]["creationTimestamp"]))
        self.stage.api.call("DELETE", f"{_CLAIMS}/{oldest['metadata']['name']}")

    def renew_all_nodes(self) -> None:
        """Let nodes differ from what their pool asks for, as an upgrade does, so that Karpenter replaces them."""
        labels = {"rewards.example/upgraded": "true"}
        patch = {"spec": {"template": {"metadata": {"labels": labels}}}}
        self.stage.kubectl("patch", "nodepool", "graviton", "--type=merge", f"--patch={json.dumps(patch)}")

    def roll_out(self, image: str) -> None:
        """Roll an image of the stage (`play.DIGESTS`) out by the pipeline's command, which may take it back."""
        deployments = self.stage.api.list(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
        (repository,) = {
            each["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[0] for each in deployments
        }
        moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        moto.start()
        command = [sys.executable, "-c", _ROLL_OUT, _PATIENCE[image], NAMESPACE, f"{repository}@{DIGESTS[image]}"]
        try:
            ended = subprocess.run(command, env=self._variables(*moto.get_host_and_port()), check=False)
            self.rollouts.append(ended.returncode)
        finally:
            moto.stop()

    def _variables(self, host: str, port: int) -> dict[str, str]:
        """Return the environment variables of somebody whose commands reach the cluster, and moto as AWS."""
        folder = self.stage.folder / "commands"
        folder.mkdir(exist_ok=True)
        played_aws.write_command(folder)
        kubectl = Path(str(parts.program("kubectl"))).parent
        return os.environ | {
            "PATH": os.pathsep.join([str(folder), str(kubectl), os.environ["PATH"]]),
            "KUBECONFIG": str(self.stage.kubeconfig),
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
