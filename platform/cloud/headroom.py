"""Room for pods on nodes that run already: pods that do nothing, and give way to any other pod.

When one is pushed away it waits for a node, which Karpenter then buys wherever there is capacity. That is what buys
nodes while a zone is lost: for pods that must be spread evenly Karpenter would wait for the zone.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from cloud import pods
from cloud.component import Component

_PRIORITY = -10
_NAME = "app.kubernetes.io/name"


@dataclass(frozen=True)
class HeadroomArgs:
    """Room for `count` pods of our usual size. `image` is any that has the command `sleep`."""

    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    count: int


class Headroom(Component):
    """A ReplicaSet, since nothing needs to be rolled out: its pods keep the image that they began with."""

    room: pulumi.Output[int]

    def __init__(self, name: str, args: HeadroomArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("headroom", name, opts)
        labels = {_NAME: name}
        priority = kubernetes.scheduling.v1.PriorityClass(
            name,
            metadata={"name": name},
            value=_PRIORITY,
            preemption_policy="Never",
            description="Gives way to any other pod",
            opts=self.child,
        )
        usual = pods.Size()
        idle = pods.container(
            name,
            image=args.image,
            command=["sleep", "infinity"],
            environment={},
            size=pods.Size(cpu=usual.cpu, memory=usual.memory, disk=usual.disk, cpu_limit=usual.cpu),
        )
        spec: Any = {
            **pods.pod("default", [idle]),
            "priority_class_name": priority.metadata.name,
            "termination_grace_period_seconds": 0,
            "tolerations": pods.patience(0),
            "topology_spread_constraints": [
                {
                    "max_skew": 1,
                    "topology_key": pods.ZONE,
                    "when_unsatisfiable": "ScheduleAnyway",
                    "node_taints_policy": "Honor",
                    "label_selector": {"match_labels": labels},
                }
            ],
        }
        kubernetes.apps.v1.ReplicaSet(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": labels},
            spec={
                "replicas": args.count,
                "selector": {"match_labels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
            opts=self.child,
        )
        self.room = pulumi.Output.from_input(args.count)
        self.publish()
