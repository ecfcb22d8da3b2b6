"""The shop as a graph declares it: the load on its services, its database, its pods' limits, its balancer's checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.settings import Settings
from app.work import ORDER, SEARCH
from stacks.offline.load import SHARES
from stacks.offline.recording import Graph
from tests.rehearsal.queueing import Database, Limits, Service

IDLE_PROCESSORS = 0.01
"""What a pod without requests uses: our assumption, for health checks and metrics."""


@dataclass(frozen=True)
class Shop:
    """A load balancer sends a new pod requests after a check, and a silent one none after `lost_seconds`.

    Source: docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    """

    services: tuple[Service, ...]
    limits: Limits
    database: Database
    check_seconds: float
    lost_seconds: float


def shop(graph: Graph) -> Shop:
    deployments = graph.of("kubernetes:apps/v1:Deployment")
    checks = [group.inputs["healthCheck"] for group in graph.of("aws:lb/targetGroup:TargetGroup")]
    scaling = graph.of("aws:rds/cluster:Cluster")[0].inputs["serverlessv2ScalingConfiguration"]
    least, most = scaling["minCapacity"], scaling["maxCapacity"]
    services = [_service(each.name, routers) for each in deployments if (routers := _routers(_container(each.inputs)))]
    return Shop(
        services=tuple(services),
        limits=_limits(),
        database=Database(acu=least, least=least, most=most),
        check_seconds=max(check["interval"] for check in checks),
        lost_seconds=max(check["interval"] * check["unhealthyThreshold"] for check in checks),
    )


def _limits() -> Limits:
    usual = Settings(database_url="postgresql://127.0.0.1:1/none")
    return Limits(usual.places + usual.longest_line, usual.longest_wait_ms / 1000)


def _container(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    container: Mapping[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return container


def _routers(container: Mapping[str, Any]) -> list[str]:
    """Return the API's routers that a container serves: none for workers."""
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    return variables["REWARDS_SERVICES"].split(",") if "REWARDS_SERVICES" in variables else []


def _service(name: str, routers: list[str]) -> Service:
    return Service(name, sum(SHARES.get(router, 0.0) for router in routers), ORDER if "orders" in routers else SEARCH)
