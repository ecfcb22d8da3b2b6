"""The simulated cluster's figures, read from stage.toml."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "stage.toml"
ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True)
class Instance:
    """A type of EC2 instance, such as m7g.xlarge of category m and generation 7."""

    name: str
    processors: int
    gib: int
    usd_an_hour: float

    @property
    def labels(self) -> dict[str, str]:
        """The labels that Auto Mode gives its nodes, and by which a NodePool chooses."""
        return {
            "eks.amazonaws.com/instance-category": self.name[0],
            "eks.amazonaws.com/instance-generation": self.name[1],
        }


@dataclass(frozen=True)
class Nodes:
    """Seconds from a node's launch until it is ready: at least and at most."""

    start_seconds: int
    latest_start_seconds: int
    zones: tuple[str, ...]
    pods_a_node: int
    disk_gib: int


@dataclass(frozen=True)
class Pods:
    """Seconds from a pod's binding until it is ready, from its deletion until it is gone, and that a Job's pod runs."""

    start_seconds: int
    stop_seconds: int
    job_seconds: int


@dataclass(frozen=True)
class Figures:
    nodes: Nodes
    pods: Pods
    instances: tuple[Instance, ...]

    def karpenter_types(self) -> list[dict[str, Any]]:
        """Return the instance types as Karpenter's kwok provider reads them."""
        return [
            {
                "name": instance.name,
                "architecture": "arm64",
                "operatingSystems": ["linux"],
                "resources": {
                    "cpu": str(instance.processors),
                    "memory": f"{instance.gib}Gi",
                    "pods": str(self.nodes.pods_a_node),
                    "ephemeral-storage": f"{self.nodes.disk_gib}Gi",
                },
                "offerings": [self._offering(instance, zone) for zone in self.nodes.zones],
            }
            for instance in self.instances
        ]

    @staticmethod
    def _offering(instance: Instance, zone: str) -> dict[str, Any]:
        labels = {"karpenter.sh/capacity-type": "on-demand", ZONE: zone, **instance.labels}
        return {
            "Price": instance.usd_an_hour,
            "Available": True,
            "Requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in labels.items()],
        }


@cache
def figures() -> Figures:
    read = tomllib.loads(FILE.read_text())
    nodes = {**read["nodes"], "zones": tuple(read["nodes"]["zones"])}
    return Figures(Nodes(**nodes), Pods(**read["pods"]), tuple(_instances(read)))


def _instances(read: dict[str, Any]) -> Iterator[Instance]:
    for family in read["families"]:
        for size, processors in read["sizes"].items():
            yield Instance(
                f"{family['name']}.{size}",
                processors,
                processors * family["gib_a_processor"],
                round(processors * family["usd_a_processor_hour"], 4),
            )
