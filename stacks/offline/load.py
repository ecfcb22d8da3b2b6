"""What a month asks of an environment: three loads, and how much of everything that makes.

Figures of the application are its own benchmarks' (`make bench`), rounded up; sizes are of what it writes.
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
# Which share of all requests each service answers.
SHARES = {"catalog": 0.70, "orders": 0.10, "rewards": 0.15, "vendors": 0.05}
# Of a c7g.large's 4 GiB Kubernetes', the network's and the watcher's agents take the rest.
NODE_GIB = 3.0
ADD_ON_NODES = 1
ORDERS_A_MEMBER = 4


@dataclass(frozen=True)
class Load:
    """Evenly over the month; storage is what a year of it leaves behind."""

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
    """One environment under one load: what its autoscalers make of it, within their limits."""

    graph: Graph
    load: Load

    @property
    def zones(self) -> int:
        return len({one.inputs["availabilityZone"] for one in self.graph.of("aws:ec2/subnet:Subnet")})

    @cached_property
    def pods(self) -> dict[str, int]:
        """By Deployment, wherever its requests put it between least and most."""
        found = {}
        for one in self.graph.of("kubernetes:keda.sh/v1alpha1:ScaledObject"):
            least, most = one.inputs["spec"]["minReplicaCount"], one.inputs["spec"]["maxReplicaCount"]
            asked = ceil(self.load.requests * SHARES.get(one.name, 0) * 60 / REQUESTS_A_MINUTE)
            found[one.name] = min(max(asked, least), most)
        return found

    @cached_property
    def nodes(self) -> int:
        """Pods spread over zones, so each zone has a node."""
        cpu = gib = 0.0
        for one in self.graph.of("kubernetes:apps/v1:Deployment"):
            (container,) = one.inputs["spec"]["template"]["spec"]["containers"]
            asked = container["resources"]["requests"]
            cpu += self.pods[one.name] * int(asked["cpu"].removesuffix("m")) / 1000
            gib += self.pods[one.name] * int(asked["memory"].removesuffix("Mi")) / 1024
        return max(self.zones, ceil(cpu / NODE_PROCESSORS), ceil(gib / NODE_GIB)) + ADD_ON_NODES

    @cached_property
    def acu(self) -> float:
        """Of each instance: readers of tier 0 and 1 are kept as large as the writer."""
        (cluster,) = self.graph.of("aws:rds/cluster:Cluster")
        limits = cluster.inputs["serverlessv2ScalingConfiguration"]
        cpu = self.load.orders * ORDER.database + (self.load.requests - self.load.orders) * SEARCH.database
        return float(min(max(cpu * ACU_A_PROCESSOR / UTILISATION, limits["minCapacity"]), limits["maxCapacity"]))

    @property
    def warehouse_hours(self) -> float:
        """A cluster with a pause schedule is awake Monday to Friday from 11:00 to 24:00 UTC."""
        return HOURS * 65 / 168 if self.graph.of("aws:redshift/scheduledAction:ScheduledAction") else HOURS
