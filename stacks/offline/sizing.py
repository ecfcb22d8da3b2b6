"""For `make plan`: the settings that change an environment's largest costs, and which warehouse is cheaper."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.offline.cost import Prices
from stacks.offline.load import HOURS, PAUSED_SHARE
from stacks.settings import Settings


@dataclass(frozen=True)
class Lever:
    """A cost of an environment: its name, the settings that change it, and the policies that require it (`held_by`)."""

    name: str
    settings: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()


LEVERS = {
    "aws:cognito/userPool:UserPool": Lever("members' sign-in", ("peopleIssuer",)),
    "aws:cloudwatch/logGroup:LogGroup": Lever("logs", (), ("cluster-logs", "vpc-flow-logs", "firewall-logged")),
    "aws:ec2/natGateway:NatGateway": Lever("NAT", ("nat",), ("subnets-no-public-address",)),
    "aws:ec2/vpcEndpointSubnetAssociation:VpcEndpointSubnetAssociation": Lever(
        "endpoints", ("interfaceEndpoints", "noEc2Endpoint"), ("vpc-ec2-endpoint",)
    ),
    "aws:eks/addon:Addon": Lever("pods' metrics", ("minReplicas",)),
    "aws:inspector2/enabler:Enabler": Lever("image scans", (), ("images-inspected",)),
    "aws:kinesis/stream:Stream": Lever("stream", ("journalShards", "journalRetentionHours"), ("stream-retention",)),
    "aws:kms/key:Key": Lever("keys", (), ("database-encrypted", "stream-encrypted", "warehouse-encrypted")),
    "aws:lb/loadBalancer:LoadBalancer": Lever("load balancer", ("zones",), ("balancer-zones",)),
    "aws:rds/cluster:Cluster": Lever("database's storage", (), ("database-backed-up",)),
    "aws:rds/clusterInstance:ClusterInstance": Lever(
        "database", ("ledgerMinAcu", "ledgerMaxAcu", "ledgerReaders"), ("database-in-zones", "database-capacity")
    ),
    "aws:redshift/cluster:Cluster": Lever(
        "warehouse",
        ("warehouseEngine", "warehouseNodeType", "warehouseNodes", "warehouseMultiZone", "warehousePaused"),
    ),
    "aws:redshiftserverless/workgroup:Workgroup": Lever("warehouse", ("warehouseEngine", "warehouseRpu")),
    "aws:wafv2/webAcl:WebAcl": Lever("firewall", (), ("balancer-firewall", "firewall-rules")),
    "eks:index:Cluster": Lever(
        "Kubernetes",
        ("nodeFamilies", "nodeSpot", "minReplicas", "maxReplicas"),
        ("deployment-replicas", "deployment-spread"),
    ),
}
"""By type of resource. What is missing here costs little, or is the same in every size."""


def largest(by_type: Mapping[str, Any], load: str, shown: int = 5) -> Iterator[str]:
    """Yields a line for each of the costliest resource types: USD a month, settings and policies that decide it."""
    for token in sorted(by_type, key=lambda token: -by_type[token]["usd"][load])[:shown]:
        lever = LEVERS.get(token, Lever(token))
        changed = ", ".join(lever.settings) or "no setting"
        held = f" (held by {', '.join(lever.held_by)})" if lever.held_by else ""
        yield f"{lever.name:20}{by_type[token]['usd'][load]:8,.0f}  {changed}{held}"


def hours_a_day(settings: Settings, prices: Prices) -> float:
    """Returns the hours of queries a day from which the settings' Redshift cluster is cheaper than a serverless one."""
    zones = 2 if settings.warehouse_multi_zone else 1
    running = HOURS * (PAUSED_SHARE if settings.warehouse_paused else 1)
    cluster = prices.usd[f"redshift-{settings.warehouse_node_type}-hour"] * settings.warehouse_nodes * zones * running
    an_hour = prices.usd["redshift-rpu-hour"] * settings.warehouse_rpu
    return cluster / an_hour / (HOURS / 24)


def warehouse(settings: Settings, prices: Prices) -> str:
    """Returns a sentence that compares the costs of a Redshift cluster and of Redshift Serverless."""
    pauses = ", paused at night and on weekends," if settings.warehouse_paused else ""
    zones = " in two zones" if settings.warehouse_multi_zone else ""
    cluster = f"{settings.warehouse_nodes} × {settings.warehouse_node_type}{zones}"
    hours = hours_a_day(settings, prices)
    serverless = f"serverless ({settings.warehouse_rpu} RPU) from {hours:.1f} hours of queries a day"
    never = " (never)" if hours > 24 else ""
    return f"Warehouse: a cluster ({cluster}){pauses} costs less than {serverless}{never}."
