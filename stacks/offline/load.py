"""Three loads (idle, typical, busy), and how many pods, nodes and Aurora capacity units each needs in an environment.

The processor time of a request comes from the application's benchmarks (`make bench`), rounded up.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from app import work
from app.work import ACU_A_PROCESSOR, NODE_PROCESSORS, ORDER, SEARCH, UTILISATION
from cloud.autoscaler import CPU_PERCENT
from stacks.offline.recording import Graph, Resource

HOURS = 730
SECONDS = HOURS * 3600
GB, MILLION = 1e9, 1e6
SHARES = work.SHARES
# GiB that pods can use on a node of 4 (c7g.large, t4g.medium); agents of Kubernetes, network and monitoring take 1.
NODE_GIB = 3.0
# What the add-ons' own pods request: metrics-server twice, CloudWatch's operator.
ADD_ON_PROCESSORS, ADD_ON_GIB = 0.4, 0.6
ORDERS_A_MEMBER = 4
PAUSED_SHARE = 65 / 168
"""The share of a week in which a warehouse with a pause schedule runs: Monday to Friday from 11:00 to 24:00 UTC."""


@dataclass(frozen=True)
class Load:
    """A load on the platform: the average requests and orders per second. Storage is estimated for a year's orders."""

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
    """An environment under one load: how far its autoscalers scale it, within their limits."""

    graph: Graph
    load: Load

    @property
    def zones(self) -> int:
        return len({subnet.inputs["availabilityZone"] for subnet in self.graph.of("aws:ec2/subnet:Subnet")})

    @cached_property
    def pods(self) -> dict[str, int]:
        """The number of pods by Deployment: enough for the load's CPU time, within the autoscaler's limits."""
        pods = {}
        for scaler in self.graph.of("kubernetes:autoscaling/v2:HorizontalPodAutoscaler"):
            least, most = scaler.inputs["spec"]["minReplicas"], scaler.inputs["spec"]["maxReplicas"]
            cpu = self.load.requests * work.processors_a_request(self._routers(scaler.name))
            needed = ceil(cpu / (self._cpu[scaler.name] * CPU_PERCENT / 100))
            pods[scaler.name] = min(max(needed, least), most)
        return pods

    def _routers(self, name: str) -> list[str]:
        """Returns the API's routers in a Deployment; none for Deployments `offers-…`, used only at extreme load."""
        spec = self.graph.named("kubernetes:apps/v1:Deployment", name).inputs["spec"]["template"]["spec"]
        variables = {variable["name"]: variable["value"] for variable in spec["containers"][0]["env"]}
        return [] if name.startswith("offers-") else variables.get("REWARDS_SERVICES", "").split(",")

    @cached_property
    def _cpu(self) -> dict[str, float]:
        return {
            deployment.name: _processors(_requests(deployment))
            for deployment in self.graph.of("kubernetes:apps/v1:Deployment")
        }

    @cached_property
    def nodes(self) -> int:
        """The number of nodes for the CPU and memory of pods and add-ons: at least one in each zone."""
        cpu, gib = ADD_ON_PROCESSORS, ADD_ON_GIB
        for maker in self.graph.of("kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:ReplicaSet"):
            pods, requests = self.pods.get(maker.name, maker.inputs["spec"]["replicas"]), _requests(maker)
            cpu += pods * _processors(requests)
            gib += pods * int(requests["memory"].removesuffix("Mi")) / 1024
        return max(self.zones, ceil(cpu / NODE_PROCESSORS), ceil(gib / NODE_GIB))

    @property
    def node_prices(self) -> dict[str, float]:
        """A node's hours a month, by price name: of a t4g.medium if family t is allowed, otherwise of a c7g.large."""
        (pool,) = self.graph.of("kubernetes:karpenter.sh/v1:NodePool")
        requirements = pool.inputs["spec"]["template"]["spec"]["requirements"]
        among = {requirement["key"].split("/")[1]: requirement["values"] for requirement in requirements}
        kind = "burst-" if "t" in among["instance-category"] else ""
        spot = "spot-" if "spot" in among["capacity-type"] else ""
        return dict.fromkeys((f"{spot}{kind}node-hour", f"auto-mode-{kind}hour"), HOURS)

    @cached_property
    def acu(self) -> float:
        """The Aurora capacity units of each instance; AWS scales readers with the writer."""
        (cluster,) = self.graph.of("aws:rds/cluster:Cluster")
        limits = cluster.inputs["serverlessv2ScalingConfiguration"]
        cpu = self.load.orders * ORDER.database + (self.load.requests - self.load.orders) * SEARCH.database
        return float(min(max(cpu * ACU_A_PROCESSOR / UTILISATION, limits["minCapacity"]), limits["maxCapacity"]))

    @property
    def warehouse_hours(self) -> float:
        """The warehouse's running hours a month: all or, if it is paused by schedule, 13 hours on each weekday."""
        paused = self.graph.of("aws:redshift/scheduledAction:ScheduledAction")
        return HOURS * PAUSED_SHARE if paused else HOURS


def _requests(maker: Resource) -> dict[str, str]:
    (container,) = maker.inputs["spec"]["template"]["spec"]["containers"]
    requests: dict[str, str] = container["resources"]["requests"]
    return requests


def _processors(requests: dict[str, str]) -> float:
    return int(requests["cpu"].removesuffix("m")) / 1000
