"""Three monthly loads, and how many pods, nodes and capacity units each needs in an environment.

What a request costs comes from the application's benchmarks (`make bench`), rounded up; sizes are of the data it
writes.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from app.work import ACU_A_PROCESSOR, NODE_PROCESSORS, ORDER, SEARCH, UTILISATION
from cloud.autoscaler import REQUESTS_A_MINUTE
from stacks.offline.recording import Graph

HOURS = 730
SECONDS = HOURS * 3600
GB, MILLION = 1e9, 1e6
# Share of all requests by service.
SHARES = {"catalog": 0.70, "orders": 0.10, "rewards": 0.15, "vendors": 0.05}
# Memory for pods of a c7g.large's 4 GiB; agents of Kubernetes, network and monitoring take the rest.
NODE_GIB = 3.0
ADD_ON_NODES = 1
ORDERS_A_MEMBER = 4


@dataclass(frozen=True)
class Load:
    """Requests and orders a second, evenly over the month; storage is what a year of them takes."""

    name: str
    requests: float
    orders: float

    @property
    def month_requests(self) -> float:
        return self.requests * SECONDS

    @property
    def month_orders(self) -> float:
        return self.orders * SECONDS

    @property
    def members(self) -> float:
        return self.month_orders / ORDERS_A_MEMBER

    def kept_gb(self, bytes_an_order: int) -> float:
        return self.month_orders * 12 * bytes_an_order / GB


LOADS = (Load("idle", 0, 0), Load("typical", 20, 0.5), Load("busy", 200, 5))


@dataclass(frozen=True)
class Site:
    """One environment under one load, scaled by its autoscalers within their limits."""

    graph: Graph
    load: Load

    @property
    def zones(self) -> int:
        return len({subnet.inputs["availabilityZone"] for subnet in self.graph.of("aws:ec2/subnet:Subnet")})

    @cached_property
    def pods(self) -> dict[str, int]:
        """Pods by Deployment: what the requests need, between the autoscaler's minimum and maximum."""
        pods = {}
        for scaler in self.graph.of("kubernetes:keda.sh/v1alpha1:ScaledObject"):
            least, most = scaler.inputs["spec"]["minReplicaCount"], scaler.inputs["spec"]["maxReplicaCount"]
            needed = ceil(self.load.requests * SHARES.get(scaler.name, 0) * 60 / REQUESTS_A_MINUTE)
            pods[scaler.name] = min(max(needed, least), most)
        return pods

    @cached_property
    def nodes(self) -> int:
        """Nodes for the pods' CPU and memory; at least one in each zone, since pods spread over zones."""
        cpu = gib = 0.0
        for deployment in self.graph.of("kubernetes:apps/v1:Deployment"):
            (container,) = deployment.inputs["spec"]["template"]["spec"]["containers"]
            requests = container["resources"]["requests"]
            cpu += self.pods[deployment.name] * int(requests["cpu"].removesuffix("m")) / 1000
            gib += self.pods[deployment.name] * int(requests["memory"].removesuffix("Mi")) / 1024
        return max(self.zones, ceil(cpu / NODE_PROCESSORS), ceil(gib / NODE_GIB)) + ADD_ON_NODES

    @cached_property
    def acu(self) -> float:
        """Capacity units of each instance: readers of promotion tier 0 and 1 scale with the writer."""
        (cluster,) = self.graph.of("aws:rds/cluster:Cluster")
        limits = cluster.inputs["serverlessv2ScalingConfiguration"]
        cpu = self.load.orders * ORDER.database + (self.load.requests - self.load.orders) * SEARCH.database
        return float(min(max(cpu * ACU_A_PROCESSOR / UTILISATION, limits["minCapacity"]), limits["maxCapacity"]))

    @property
    def warehouse_hours(self) -> float:
        """Hours a month that the warehouse runs: with a pause schedule, Monday to Friday from 11:00 to 24:00 UTC."""
        return HOURS * 65 / 168 if self.graph.of("aws:redshift/scheduledAction:ScheduledAction") else HOURS
