"""Estimates an environment's monthly cost from the graph of its resources; `make plan` writes it to cost.json.

`USES` maps resource types to functions that count a resource's units of each price; `UNPRICED` says why other types
have no price. Prices are us-east-1's (`app/insights/prices.yaml`); loads are in `stacks.offline.load`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stacks.offline import deliveries
from stacks.offline.load import GB, HOURS, LOADS, MILLION, SECONDS, Site
from stacks.offline.recording import Graph, Resource

PRICES = Path(__file__).parents[2] / "app" / "insights" / "prices.yaml"

Units = Mapping[str, float]
# Bytes that an order takes in the database, on the stream, in the export and in the warehouse.
_IN_DATABASE, _ON_STREAM, _IN_EXPORT, _IN_WAREHOUSE = 6_000, 4_000, 1_500, 1_000
_ANSWER, _WAF_LINE, _FLOW_LINES, _POD_LINE, _ACCESS_LINE = 4_000, 1_500, 600, 300, 500
_LOG_MONTHS, _LOG_COMPRESSED = 13, 0.15
_LOAD_HOURS = 3 / 60  # of a serverless warehouse each night: some twenty statements, and a minute until it sleeps


def _nat(_: Resource, site: Site) -> Units:
    gateways = len(site.graph.of("aws:ec2/natGateway:NatGateway"))
    return {"nat-hour": HOURS, "nat-gb": (20 + site.load.month_requests * 500 / GB) / gateways}


def _balancer(_: Resource, site: Site) -> Units:
    """Counts a load balancer's monthly units. LCUs are the larger of requests per second / 125 and GB per hour."""
    out = site.load.month_requests * _ANSWER / GB
    units = max(site.load.requests / 5 / 25, out / HOURS)  # 5 requests a connection, 25 new connections a second
    hours = {"balancer-hour": HOURS, "balancer-unit-hour": units * HOURS, "public-address-hour": site.zones * HOURS}
    return {**hours, "internet-gb": out}


def _acl(resource: Resource, site: Site) -> Units:
    requests = site.load.month_requests / MILLION
    return {"firewall-acl": 1, "firewall-rule": len(resource.inputs["rules"]), "firewall-requests": requests}


def _cluster(_: Resource, site: Site) -> Units:
    nodes = {price: site.nodes * hours for price, hours in site.node_prices.items()}
    return {"eks-hour": HOURS, **nodes, "disk-gb": site.nodes * _node_disk(site.graph)}


def _node_disk(graph: Graph) -> int:
    """Returns the size of a node's disk in GiB, which AWS bills as GB: that of the node class that the pool names."""
    (pool,) = graph.of("kubernetes:karpenter.sh/v1:NodePool")
    name = pool.inputs["spec"]["template"]["spec"]["nodeClassRef"]["name"]
    (size,) = (
        each.inputs["spec"]["ephemeralStorage"]["size"]
        for each in graph.of("kubernetes:eks.amazonaws.com/v1:NodeClass")
        if each.inputs["metadata"]["name"] == name
    )
    return int(size.removesuffix("Gi"))


def _add_on(resource: Resource, site: Site) -> Units:
    """Counts an EKS add-on's priced units: Container Insights records 60 metrics a pod and 90 a node each minute."""
    if resource.inputs["addonName"] != "amazon-cloudwatch-observability":
        return {}
    return {"observations": (sum(site.pods.values()) * 60 + site.nodes * 90) * HOURS * 60 / MILLION}


def _function(resource: Resource, site: Site) -> Units:
    busy = site.load.orders > 0
    calls, seconds = {
        "nightly-rewards": (30.0, 1 + site.load.month_orders / 30 * 1.2 / 12_000),
        "journal-insights": (float(SECONDS) if busy else 0.0, 0.2),
        "vendor-feed": (1_000.0 if busy else 0.0, 10.0),
        "journal-export": (float(HOURS), 5.0),
        "warehouse-load": (30.0, 30 + site.load.month_orders / 30 / 5_000),
        "hourly-insights": (HOURS, 20.0),
        "announced-floors": (HOURS * 12.0, 1.0),
        "digest-anchor": (HOURS * 60.0, 0.3),
        "cluster-care": (HOURS * 60.0, 1.0),
        "member-erasure": (100.0 if busy else 0.0, 30.0),
        "preview-place": (100.0, 30.0),
    }[resource.name]
    return {
        "lambda-requests": calls / MILLION,
        "lambda-gb-second": calls * seconds * float(resource.inputs["memorySize"]) / 1024,
    }


def _ledger(resource: Resource, site: Site) -> Units:
    kept = 10 + site.load.kept_gb(_IN_DATABASE)
    return {
        "aurora-gb": kept,
        "aurora-io": (site.load.month_orders * 20 + site.load.month_requests) / MILLION,
        "aurora-backup-gb": kept * resource.inputs["backupRetentionPeriod"] * 0.02,  # 2 % changes each day
        "secret": 1,
    }


def _stream(resource: Resource, site: Site) -> Units:
    gb = site.load.month_orders * _ON_STREAM / GB
    days = (resource.inputs["retentionPeriod"] - 24) / 24
    if shards := resource.inputs.get("shardCount"):
        hours = shards * HOURS
        records = site.load.month_orders * 2 / MILLION  # the order's document and the wallet's, each less than 25 KB
        return {"shard-hour": hours, "shard-kept-hour": hours if days else 0.0, "shard-records": records}
    return {"stream-hour": HOURS, "stream-in-gb": gb, "stream-out-gb": gb, "stream-kept-gb": gb * days / 30}


def _bucket(resource: Resource, site: Site) -> Units:
    year = {
        "archive": 0.1,  # digests
        "artifacts": 20.0,
        "audit-access-logs": site.load.month_requests * 12 * _ACCESS_LINE / 10 / GB,  # gzip
        "audit-trail": 12.0,
        "exports": site.load.kept_gb(_IN_EXPORT),
        "feeds": 5.0 if site.load.orders else 0.0,
        "previews": 1.0,
        "staging": 0.0,  # deleted once it is loaded
    }[resource.name]
    colder = year * 0.75 if resource.name in {"exports", "audit-trail"} else 0.0  # past 90 days
    writes = HOURS * 60 if resource.name == "archive" else HOURS * 12
    return {"s3-gb": year - colder, "s3-instant-gb": colder, "s3-writes": writes / 1000}


def _warehouse(resource: Resource, site: Site) -> Units:
    nodes = resource.inputs["numberOfNodes"] * (2 if resource.inputs["multiAz"] else 1)
    return {
        f"redshift-{resource.inputs['nodeType']}-hour": nodes * site.warehouse_hours,
        "redshift-gb": 1 + site.load.kept_gb(_IN_WAREHOUSE),
        "secret": 1,
    }


def _workgroup(resource: Resource, site: Site) -> Units:
    """Counts Redshift Serverless's priced units: hours of nightly imports and, unless idle, of queries."""
    hours = 30 * _LOAD_HOURS + 60 * min(site.load.orders, 1)
    return {
        "redshift-rpu-hour": resource.inputs["baseCapacity"] * hours,
        "redshift-gb": 1 + site.load.kept_gb(_IN_WAREHOUSE),
        "secret": 1,
    }


def _vault(resource: Resource, site: Site) -> Units:
    """Counts a backup vault's priced units: a full first snapshot, later ones by changes, the transfer of copies."""
    database, archive = 10 + site.load.kept_gb(_IN_DATABASE), site.load.kept_gb(_IN_EXPORT)
    crossing = {"region-gb": (database + archive) / 12} if resource.inputs.get("region") else {}
    return {"aurora-backup-gb": database * 1.5, "s3-backup-gb": archive, **crossing}


def _log_group(resource: Resource, site: Site) -> Units:
    requests = site.load.month_requests
    gb = {
        "network-flow": 3 + requests * _FLOW_LINES / GB,
        "edge-waf": requests * _WAF_LINE / GB,
        "cluster-control-plane": 15.0,
        "cluster-pods-application": 1 + requests * _POD_LINE / GB,
        "cluster-pods-performance": 0.5 * site.nodes,
    }.get(resource.name, 0.2)
    return {"log-gb": gb, "log-kept-gb": gb * _LOG_MONTHS * _LOG_COMPRESSED}


def _key(resource: Resource, site: Site) -> Units:
    calls = 0.1 + site.load.month_orders * 0.2 / MILLION if resource.name == "keys-data" else 0.01
    return {"key": 1, "key-requests": calls}


USES: dict[str, Callable[[Resource, Site], Units]] = {
    **deliveries.USES,
    "aws:backup/vault:Vault": _vault,
    "aws:cloudtrail/trail:Trail": lambda _, __: {"trail-events": HOURS * 60 / MILLION},
    "aws:cloudwatch/dashboard:Dashboard": lambda _, __: {"dashboard": 1},
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": lambda _, __: {"metric": 1},
    "aws:cloudwatch/metricAlarm:MetricAlarm": lambda _, __: {"alarm": 1},
    "aws:cognito/userPool:UserPool": lambda _, site: {"active-member": site.load.members},
    "aws:ec2/eip:Eip": lambda _, __: {"public-address-hour": HOURS},
    "aws:ec2/natGateway:NatGateway": _nat,
    "aws:ec2/vpcEndpointSubnetAssociation:VpcEndpointSubnetAssociation": lambda _, __: {"endpoint-zone-hour": HOURS},
    "aws:ecr/repository:Repository": lambda _, __: {"image-gb": 10},
    "aws:eks/addon:Addon": _add_on,
    "aws:kinesis/stream:Stream": _stream,
    "aws:kms/key:Key": _key,
    "aws:lambda/function:Function": _function,
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:rds/cluster:Cluster": _ledger,
    "aws:rds/clusterInstance:ClusterInstance": lambda _, site: {"aurora-acu-hour": site.acu * HOURS},
    "aws:redshift/cluster:Cluster": _warehouse,
    "aws:redshiftserverless/workgroup:Workgroup": _workgroup,
    "aws:route53/zone:Zone": lambda _, site: {"dns-zone": 1, "dns-queries": site.load.month_requests / 100 / MILLION},
    "aws:s3/bucket:Bucket": _bucket,
    "aws:scheduler/schedule:Schedule": lambda _, __: {"schedule-calls": HOURS * 60 / MILLION},
    "aws:secretsmanager/secret:Secret": lambda _, __: {"secret": 1},
    "aws:sqs/queue:Queue": lambda _, __: {"queue-requests": 0.1},
    "aws:wafv2/webAcl:WebAcl": _acl,
    "eks:index:Cluster": _cluster,
}
_PARTS = (
    *("aws:codebuild/reportGroup", "aws:ecr/", "aws:kms/alias", "aws:lambda/", "aws:lb/", "aws:rds/", "aws:redshift/"),
    *("aws:redshiftserverless/namespace", "aws:route53/record", "aws:s3/", "aws:secretsmanager/secretRotation"),
    *("aws:sqs/queuePolicy", "aws:wafv2/"),
)
_FREE = (
    *("aws:codeconnections/", "aws:codestarnotifications/", "aws:ebs/", "aws:ec2/", "aws:eks/", "aws:iam/"),
    "aws:vpc/",
)
# The reasons why resources have no price, by type token or its prefix.
UNPRICED = {
    **dict.fromkeys(_PARTS, "part of another resource, which has the price"),
    **dict.fromkeys(_FREE, "AWS asks nothing for it"),
    "aws:accessanalyzer/": "external access is analysed for free",
    "aws:acm/": "public certificates are free",
    "aws:backup/": "the vaults hold what is paid for",
    "aws:budgets/": "budgets that only tell are free",
    "aws:cognito/": "the user pool's members are paid for",
    "aws:qldb/": "AWS has sold none since 2025-07-31",
    "aws:signer/": "AWS signs functions' code for free",
    "aws:sns/": "a few letters a month",
    "aws:ssm/": "standard parameters are free",
    "kubernetes:": "runs on the cluster's nodes, which have the price",
    "pulumi:": "nothing in the account",
    "rewards:": "a component: its parts have the price",
}


@dataclass(frozen=True)
class Prices:
    region: str
    as_of: str
    source: str
    usd: Mapping[str, float]
    tiers: Mapping[str, list[list[float]]]

    @classmethod
    def read(cls, path: Path = PRICES) -> "Prices":
        document = yaml.safe_load(path.read_text())
        flat = {name: float(price["usd"]) for name, price in document["prices"].items() if "usd" in price}
        tiers = {name: price["tiers"] for name, price in document["prices"].items() if "tiers" in price}
        return cls(document["region"], str(document["as_of"]), document["source"], flat, tiers)

    def of(self, name: str, units: float) -> float:
        """Returns the USD for a number of units at the named price. Raises KeyError if there is no such price."""
        if name not in self.tiers:
            return self.usd[name] * units
        total = below = 0.0
        for top, usd in self.tiers[name]:
            total += max(min(units, top) - below, 0) * usd
            below = top
        return total


def unpriced_because(token: str) -> str | None:
    """Returns the reason in `UNPRICED` why a resource type has no price; None if it has a price, or isn't listed."""
    fitting = [start for start in UNPRICED if token.startswith(start)]
    return UNPRICED[max(fitting, key=len)] if fitting and token not in USES else None


def estimate(graph: Graph, prices: Prices) -> dict[str, Any]:
    """Returns an environment's priced units and USD a month under each load, by resource type and in total."""
    sites = [Site(graph, load) for load in LOADS]
    counted = Counter(resource.token for resource in graph.resources)
    by_type = {token: _typed(token, sites, prices) for token in sorted(counted) if token in USES}
    total = {load.name: round(sum(typed["usd"][load.name] for typed in by_type.values()), 2) for load in LOADS}
    return {
        "prices": {"region": prices.region, "as_of": prices.as_of, "source": prices.source},
        "loads": {
            site.load.name: {
                "requests_a_second": site.load.requests,
                "orders_a_second": site.load.orders,
                "members_a_month": round(site.load.members),
                "pods": site.pods,
                "nodes": site.nodes,
                "aurora_acu": site.acu,
            }
            for site in sites
        },
        "usd_a_month": total,
        "by_type": by_type,
        "unpriced": {
            token: unpriced_because(token) or "no price is known: add one to stacks/offline/cost.py"
            for token in sorted(counted)
            if token not in USES
        },
    }


def _typed(token: str, sites: list[Site], prices: Prices) -> dict[str, Any]:
    resources = sites[0].graph.of(token)
    units = {site.load.name: Counter[str]() for site in sites}
    usd = dict.fromkeys(units, 0.0)
    for site in sites:
        for resource in resources:
            for price, amount in USES[token](resource, site).items():
                units[site.load.name][price] += amount  # type: ignore[assignment]  # Counter is typed for whole numbers
                usd[site.load.name] += prices.of(price, amount)
    return {
        "resources": len(resources),
        "usd": {name: round(value, 2) for name, value in usd.items()},
        "units": {name: {price: round(amount, 4) for price, amount in used.items()} for name, used in units.items()},
    }
