"""Draws where an environment's resources are: availability zones with their subnets, and services outside the VPC.

`make plan` writes it to diagram.svg. Calls between resources are drawn by `sheets.py`, with a sheet for each flow.
"""

from app.processes import FUNCTIONS
from stacks.offline.drawing import Box, Drawing
from stacks.offline.recording import Graph

_TITLE, _LEFT = 10, 210
_COLUMN, _FUNCTION = 320, 120  # width of a zone, and of a function's box with its name
_WIDE_RIGHT = 290
_PUBLIC, _PRIVATE, _DATA, _GAP = 150, 372, 128, 14


def svg(graph: Graph, environment: str) -> str:
    """Returns the diagram as SVG. Resources are sorted by URN, so that the same graph gives the same picture."""
    ordered = Graph(tuple(sorted(graph.resources, key=lambda resource: resource.urn)), graph.exports)
    return _Diagram(ordered, environment).drawn().svg()


class _Diagram:
    def __init__(self, graph: Graph, environment: str) -> None:
        self.graph, self.environment = graph, environment
        self.subnets = {
            (subnet.inputs["tags"]["tier"], subnet.inputs["availabilityZone"]): subnet
            for subnet in graph.of("aws:ec2/subnet:Subnet")
        }
        self.zones = sorted({zone for _, zone in self.subnets})
        everything = graph.of("aws:lambda/function:Function")
        self.lambdas = sorted((each for each in everything if each.name in FUNCTIONS), key=lambda each: each.name)
        inside = max(_COLUMN * len(self.zones), _FUNCTION * len(self.lambdas))
        self.vpc = Box(_LEFT, _TITLE + 34, inside + 2 * _GAP, _PUBLIC + _PRIVATE + _DATA + 4 * _GAP + 26)
        self.side = Box(self.vpc.right + 80, self.vpc.y, _WIDE_RIGHT, self.vpc.height)
        self.width, self.height = int(self.side.right + 30), int(self.vpc.bottom + 96)
        self.out = Drawing(self.width, self.height, f"rewards, {environment}")
        self.services: dict[str, Box] = {}
        self.functions: dict[str, Box] = {}

    def drawn(self) -> Drawing:
        self.out.frame(Box(10, 10, self.width - 20, self.height - 20), self._account())
        self.out.frame(self.vpc, self._vpc_label())
        rows = {}
        top = self.vpc.y + 26
        for tier, height in (("public", _PUBLIC), ("private", _PRIVATE), ("data", _DATA)):
            rows[tier] = Box(self.vpc.x + _GAP, top, self.vpc.width - 2 * _GAP, height)
            self._subnets(tier, rows[tier])
            top += height + _GAP
        balancer = self._public(rows["public"])
        self._private(rows["private"])
        self._data(rows["data"])
        self._people(balancer)
        self._beside()
        self._delivery()
        return self.out

    def _account(self) -> str:
        (provider, *_) = self.graph.of("pulumi:providers:aws")
        total = sum(1 for resource in self.graph.resources if resource.custom)
        return f"rewards · {self.environment} · {provider.inputs['region']} · {total} resources"

    def _vpc_label(self) -> str:
        (vpc,) = self.graph.of("aws:ec2/vpc:Vpc")
        services = self.graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")
        return f"VPC {vpc.inputs['cidrBlock']} · {len(services)} endpoints · flow logs"

    def _subnets(self, tier: str, row: Box) -> None:
        for zone, box in zip(self.zones, row.row(len(self.zones), _GAP), strict=True):
            cidr = self.subnets[tier, zone].inputs["cidrBlock"]
            self.out.frame(box, f"{zone} · {tier} · {cidr}", "zone", dashed=True)

    def _public(self, row: Box) -> Box:
        nats = {gateway.name.removeprefix("network-") for gateway in self.graph.of("aws:ec2/natGateway:NatGateway")}
        for zone, box in zip(self.zones, row.row(len(self.zones), _GAP), strict=True):
            if zone in nats:
                self.out.box(box.inside(box.width - 112, 104, 12, 12), "NAT gateway", kind="network")
        (acl,) = self.graph.of("aws:wafv2/webAcl:WebAcl")
        lines = [f"HTTPS, {len(acl.inputs['rules'])} firewall rules, access logs; one in every zone"]
        return self.out.box(row.inside(14, 32, 14, 66), "Application load balancer behind WAF", lines, "network")

    def _private(self, row: Box) -> None:
        (cluster,) = self.graph.of("eks:index:Cluster")
        label = f"EKS {cluster.inputs['version']}, Auto Mode, Graviton nodes · pods spread over the zones"
        eks = self.out.frame(row.inside(14, 30, 14, 206), label, "compute")
        scalers = {
            resource.name: resource.inputs["spec"]
            for resource in self.graph.of("kubernetes:autoscaling/v2:HorizontalPodAutoscaler")
        }
        names = [
            resource.name for resource in self.graph.of("kubernetes:apps/v1:Deployment") if resource.name != "sealer"
        ]
        for name, box in zip([*names, "sealer"], eks.inside(10, 28, 10, 12).row(len(names) + 1), strict=True):
            least, most = scalers[name]["minReplicas"], scalers[name]["maxReplicas"]
            pods = f"{least} pods" if least == most else f"{least} to {most} pods"
            self.services[name] = self.out.box(box, name, [pods], "plain")
        frame = self.out.frame(row.inside(14, 250, 14, 14), "Lambda, arm64, in the private subnets", "compute")
        boxes = frame.inside(4, 28, 4, 12).row(len(self.lambdas), 3)
        for function, box in zip(self.lambdas, boxes, strict=True):
            lines = [f"{function.inputs['memorySize']} MB, {function.inputs['timeout']} s"]
            self.functions[function.name] = self.out.box(box, function.name, lines)

    def _data(self, row: Box) -> None:
        (cluster,) = self.graph.of("aws:rds/cluster:Cluster")
        limits = cluster.inputs["serverlessv2ScalingConfiguration"]
        columns = dict(zip(self.zones, row.row(len(self.zones), _GAP), strict=True))
        for instance in self.graph.of("aws:rds/clusterInstance:ClusterInstance"):
            box = columns[instance.inputs["availabilityZone"]]
            role = "writer" if instance.inputs["promotionTier"] == 0 else "reader"
            capacity = f"{limits['minCapacity']} to {limits['maxCapacity']} ACU"
            self.out.box(box.inside(14, 30, 14, 54), f"Aurora PostgreSQL, {role}", [capacity], "data")
        self.out.box(row.inside(14, 82, 14, 10), *self._warehouse_text(), kind="data")

    def _warehouse_text(self) -> tuple[str, list[str]]:
        for cluster in self.graph.of("aws:redshift/cluster:Cluster"):
            zones = "two zones" if cluster.inputs["multiAz"] else "one zone"
            return f"Redshift, {cluster.inputs['numberOfNodes']} × {cluster.inputs['nodeType']}, {zones}", []
        (group,) = self.graph.of("aws:redshiftserverless/workgroup:Workgroup")
        return f"Redshift Serverless, {group.inputs['baseCapacity']} RPU and more", []

    def _people(self, balancer: Box) -> None:
        column = Box(26, balancer.y, _LEFT - 66, 0)
        zone = self.graph.of("aws:route53/zone:Zone")[0].inputs["name"]
        people = self.out.box(
            Box(column.x, balancer.y, column.width, balancer.height), "Members, vendors", [zone], "plain"
        )
        groups = [group.inputs["name"] for group in self.graph.of("aws:cognito/userGroup:UserGroup")]
        below = people.bottom + 50
        self.out.box(Box(column.x, below, column.width, 40 + 15 * len(groups)), "Cognito", groups, "security")

    def _beside(self) -> None:
        """Draws the services outside the VPC on the right, each at the height of the resources that it works with."""
        graph, x, width = self.graph, self.side.x, self.side.width
        first = next(iter(self.functions.values()))
        y = self.vpc.y
        keys, secrets = graph.of("aws:kms/key:Key"), graph.of("aws:secretsmanager/secret:Secret")
        self.out.box(Box(x, y, width, 40), f"{len(keys)} KMS keys, {len(secrets) + 2} secrets, ECR", [], "security")
        alarms, queues = graph.of("aws:cloudwatch/metricAlarm:MetricAlarm"), graph.of("aws:sqs/queue:Queue")
        watching = [
            f"{len(alarms)} alarms, a dashboard, {len(queues)} dead letter queues",
            "CloudTrail, flow and access logs",
        ]
        self.out.box(Box(x, y + 50, width, 62), "CloudWatch", watching, "watching")
        stream = self._stream(Box(x, self.services["sealer"].y + 4, width, 52))
        self._schedules(Box(x, stream.bottom + 20, width, 0))
        self._buckets(Box(x, first.y + 48, width, 40))
        self._backups()

    def _stream(self, box: Box) -> Box:
        (stream,) = self.graph.of("aws:kinesis/stream:Stream")
        days = stream.inputs["retentionPeriod"] // 24
        return self.out.box(box, "Kinesis: journal", [f"on demand, kept for {days} days"], "storage")

    def _schedules(self, box: Box) -> None:
        schedules = self.graph.of("aws:scheduler/schedule:Schedule")
        times = {each.name: each.inputs["scheduleExpression"] for each in schedules}
        lines = [f"{name}: {at.removeprefix('cron(').removesuffix(')')}" for name, at in times.items()]
        zone = schedules[0].inputs["scheduleExpressionTimezone"]
        self.out.box(Box(box.x, box.y, box.width, 28 + 15 * len(lines)), f"Scheduler, {zone}", lines, "compute")

    def _buckets(self, box: Box) -> None:
        texts = {
            "feeds": "vendors' files",
            "archive": "digests, Object Lock",
            "exports": "the journal",
            "staging": "what the warehouse copies",
        }
        for name, about in texts.items():
            self.out.box(box, f"S3: {name}", [about], "storage")
            box = Box(box.x, box.bottom + 10, box.width, box.height)

    def _backups(self) -> None:
        (plan,) = self.graph.of("aws:backup/plan:Plan")
        days = [rule["lifecycle"]["deleteAfter"] for rule in plan.inputs["rules"]]
        here = Box(self.vpc.right - 430, self.vpc.bottom + 14, 430, 46)
        lines = [f"of the ledger and the archive; daily for {days[0]} days, monthly for {days[1]}"]
        self.out.box(here, "Backups", lines, "data")
        (there,) = (
            vault.inputs["region"] for vault in self.graph.of("aws:backup/vault:Vault") if vault.inputs.get("region")
        )
        place = Box(self.side.x, here.y, self.side.width, here.height)
        self.out.box(place, f"Recovery: {there}", ["copies under a key of that region"], "data")

    def _delivery(self) -> None:
        """Draws this account's pipelines, or else the builds that another account's pipelines start."""
        graph = self.graph
        names = [
            pipeline.inputs["name"].split("-", 2)[2] for pipeline in graph.of("aws:codepipeline/pipeline:Pipeline")
        ]
        lines = [*names, f"{len(graph.of('aws:codebuild/project:Project'))} builds"]
        height = 30 + 15 * len(lines)
        box = Box(26, self.vpc.bottom - height, _LEFT - 66, height)
        self.out.box(box, "CodePipeline" if names else "Delivered to", lines, "compute")
