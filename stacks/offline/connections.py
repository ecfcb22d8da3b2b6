"""Derives from an environment's resources which of them call which, and why; diagrams show each as a part, in a box.

Each connection has at least one reason, which is a declared resource or setting: a permission, variable, route, event
mapping, network rule, or a pipeline's action (`steps.py`). The arrow of a read points from the data to the reader.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from stacks.offline.parts import PARTS, Part
from stacks.offline.recording import ACCOUNT, Graph, Resource, unique

DEPLOYMENT, FUNCTION = "kubernetes:apps/v1:Deployment", "aws:lambda/function:Function"
JOB, POOL = "kubernetes:batch/v1:Job", "aws:cognito/userPool:UserPool"
LEDGER, CLUSTER, BALANCER = "aws:rds/cluster:Cluster", "eks:index:Cluster", "aws:lb/loadBalancer:LoadBalancer"
PROJECT = "aws:codebuild/project:Project"
# ARNs, without region, by which policies name resources that have names of ours.
_NAMED = {FUNCTION: f"arn:aws:lambda:{ACCOUNT}:function:", PROJECT: f"arn:aws:codebuild:{ACCOUNT}:project/"}
WAREHOUSES = ("aws:redshift/cluster:Cluster", "aws:redshiftserverless/workgroup:Workgroup")
INTERNET = Part("internet", "Members and vendors", ("by browser or program",))
DELIVERED = Part("parameters", "Parameter Store", ("/rewards/delivered/",), "storage")
FLOORS = Part("floors", "Parameter Store", ("the announced floors",), "storage")
# What each permission lets a process do. The first of a connection's permissions names it.
ACTIONS = {
    "rds-db:connect": "logs in",
    "kinesis:PutRecords": "appends",
    "redshift-data:ExecuteStatement": "runs SQL",
    "s3:PutObject": "writes",
    "kms:Sign": "signs",
    "ecr:PutImage": "pushes",
    "codebuild:StartBuild": "starts",
    "lambda:UpdateFunctionCode": "publishes",
    "lambda:UpdateAlias": "shifts `live`",
    "ssm:PutParameter": "records",
    "s3:GetObject": "is read",
    "secretsmanager:GetSecretValue": "is read",
    "ecr:BatchGetImage": "is read",
}


@dataclass(frozen=True)
class Connection:
    """An arrow from part `source` to part `target`: a call, a data flow or (`then`) the order of two pipeline steps."""

    source: str
    target: str
    verb: str
    reasons: tuple[str, ...]
    then: bool = False


class Connections:
    """The parts of an environment (the boxes of its diagrams) by key, and the connections between them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.by_hash = {unique(resource.urn)[:7]: resource for resource in graph.resources}
        self.parts: dict[str, Part] = {}
        self.edges: dict[tuple[str, str], Connection] = {}
        for resource in (*graph.of(DEPLOYMENT), *graph.of(JOB)):
            self._pod(resource)
        for resource in graph.of(FUNCTION):
            self.permitted(resource, self.owners(resource.inputs["role"]), variables(resource))
        self._routes()
        self._triggers()
        self._copies()

    def key(self, resource: Resource) -> str:
        part = PARTS[resource.token](resource)
        self.parts[part.key] = part
        return part.key

    def join(self, source: str, target: str, verb: str, *reasons: str, then: bool = False) -> None:
        before = self.edges.get((source, target))
        kept = tuple(dict.fromkeys((*(before.reasons if before else ()), *reasons)))
        self.edges[source, target] = Connection(source, target, before.verb if before else verb, kept, then)

    def owners(self, *values: Any) -> list[Resource]:
        """Finds the resources whose ids, ARNs or endpoints are in the values, by the URN hashes that these contain."""
        hashes = re.findall(r"-(?=([0-9a-f]{7}))", json.dumps(values))
        return [self.by_hash[each] for each in dict.fromkeys(hashes) if each in self.by_hash]

    # Permissions

    def permitted(self, process: Resource, roles: Iterable[Resource], values: Mapping[str, str]) -> None:
        """Connects a process to each part that its roles let it use; `values` are the process's variables by name."""
        source = self.key(process)
        for target, token, actions in self.allowed(roles):
            names = [name for name, value in values.items() if target in map(self._known, self.owners(value))]
            why = (permission(actions), *([f"variables {', '.join(names)}"] if names else []))
            reads = verb(actions) == "is read" and token not in (LEDGER, *WAREHOUSES)
            rules = self._reach(process) if token == LEDGER else ()
            if token == LEDGER and not rules:
                continue  # who may log in, but has no way there, does not
            does = verb(actions) if reads else verb(actions, "logs in as owner")
            self.join(*((target, source) if reads else (source, target)), does, *why, *rules)

    def _known(self, resource: Resource) -> str:
        return PARTS[resource.token](resource).key if resource.token in PARTS else ""

    def allowed(self, roles: Iterable[Resource]) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Yields each part that the roles may use: its key, its resource type, and a text for each allowed action."""
        permitted: dict[tuple[str, str], dict[str, str]] = {}
        for statement in self._statements(roles):
            actions = {known for known in ACTIONS for each in _listed(statement["Action"]) if fnmatch(known, each)}
            for pattern in _listed(statement["Resource"]) if actions else ():
                for key, token in self._named(pattern):
                    login = f" as {pattern.rpartition('/')[2]}" if token == LEDGER and ":dbuser:" in pattern else ""
                    permitted.setdefault((key, token), {}).update({action: action + login for action in actions})
        for (key, token), texts in permitted.items():
            yield key, token, {action: texts[action] for action in ACTIONS if action in texts}

    def _statements(self, roles: Iterable[Resource]) -> Iterator[dict[str, Any]]:
        urns = {role.urn for role in roles}
        for policy in self.graph.of("aws:iam/rolePolicy:RolePolicy"):
            if urns & {owner.urn for owner in self.owners(policy.inputs["role"])}:
                statements = json.loads(policy.inputs["policy"])["Statement"]
                yield from (statement for statement in statements if statement["Effect"] == "Allow")

    def _named(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Yields key and resource type of each part that an IAM policy's `pattern` names, by URN hash or by name."""
        if ":parameter/rewards/delivered/" in pattern:
            self.parts[DELIVERED.key] = DELIVERED
            yield DELIVERED.key, ""
        if re.search(r":parameter/rewards/[^/]+/floors$", pattern):
            self.parts[FLOORS.key] = FLOORS
            yield FLOORS.key, ""
        for owner in self.owners(pattern):
            if owner.token in PARTS and owner.name != "artifacts":  # what steps pass on stands in their boxes
                yield self.key(owner), owner.token
        any_region = re.sub("^(arn:aws:[a-z]+):[^:]*:", r"\1:", pattern)
        for named in self.graph.of(*_NAMED):
            if fnmatch(_NAMED[named.token] + named.inputs["name"], any_region):
                yield self.key(named), named.token

    # Pods

    def _pod(self, pod: Resource) -> None:
        spec = pod.inputs["spec"]["template"]["spec"]
        roles = [
            role
            for identity in self.graph.of("aws:eks/podIdentityAssociation:PodIdentityAssociation")
            if identity.inputs["serviceAccount"] == spec["serviceAccountName"]
            for role in self.owners(identity.inputs["roleArn"])
        ]
        values = variables(pod)
        self.permitted(pod, roles, values)
        for owner in self.owners(values.get("REWARDS_ISSUERS", "")):
            if owner.token == POOL:
                self.join(self.key(owner), self.key(pod), "is trusted", "variable REWARDS_ISSUERS")

    def _reach(self, process: Resource) -> tuple[str, ...]:
        """Returns descriptions of the network rules that let a process reach the ledger database; () if it can't."""
        (ledger,) = self.graph.of(LEDGER)
        if "spec" not in process.inputs:
            groups = process.inputs.get("vpcConfig", {}).get("securityGroupIds")
            return self._opened(groups, ledger.inputs["vpcSecurityGroupIds"]) if groups else ()
        labels = process.inputs["spec"]["template"]["metadata"]["labels"]
        policies = [
            f"network policy {policy.name}"
            for policy in self.graph.of("kubernetes:networking.k8s.io/v1:NetworkPolicy")
            if policy.inputs["spec"]["podSelector"].get("matchLabels") == labels
            if ledger.inputs["port"]
            in [port["port"] for way in policy.inputs["spec"]["egress"] for port in way.get("ports", ())]
        ]
        opened = self._opened(self._pods_group(), ledger.inputs["vpcSecurityGroupIds"])
        return (*policies, *opened) if policies and opened else ()

    def _pods_group(self) -> list[str]:
        return [f"sg-{unique(cluster.urn)}" for cluster in self.graph.of(CLUSTER)]

    def _opened(self, clients: Any, servers: Any) -> tuple[str, ...]:
        """Returns a text for each rule that lets the security groups `clients` (None: any address) reach `servers`."""
        inside, wanted = ({owner.urn for owner in self.owners(group)} for group in (servers, clients))
        return tuple(
            f"network rule {rule.name}, port {rule.inputs['toPort']}"
            for rule in self.graph.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
            if inside & {owner.urn for owner in self.owners(rule.inputs["securityGroupId"])}
            and wanted == {owner.urn for owner in self.owners(rule.inputs.get("referencedSecurityGroupId"))}
        )

    # Routes and triggers

    def _routes(self) -> None:
        for balancer in self.graph.of(BALANCER):
            edge, groups = self.key(balancer), balancer.inputs["securityGroups"]
            self.parts[INTERNET.key] = INTERNET
            records = [
                f"name {record.inputs['name']}"
                for record in self.graph.of("aws:route53/record:Record")
                if balancer in self.owners(record.inputs.get("aliases"))
            ]
            self.join(INTERNET.key, edge, "HTTPS", *records, *self._opened(None, groups))
            for rule in self.graph.of("aws:lb/listenerRule:ListenerRule"):
                self._route(edge, rule, self._opened(groups, self._pods_group()))
        for client in self.graph.of("aws:cognito/userPoolClient:UserPoolClient"):
            (pool,) = self.owners(client.inputs["userPoolId"])
            why = f"client {client.name}, back to {client.inputs['callbackUrls'][0]}"
            self.join(INTERNET.key, self.key(pool), "sign in", why)

    def _route(self, edge: str, rule: Resource, opened: tuple[str, ...]) -> None:
        paths = [path for each in rule.inputs["conditions"] for path in each.get("pathPattern", {}).get("values", ())]
        why = f"route {rule.name}: {' '.join(paths) or 'all other paths'}"
        targets = self.owners(rule.inputs["actions"])
        for binding in self.graph.of("kubernetes:eks.amazonaws.com/v1:TargetGroupBinding"):
            if self.owners(binding.inputs["spec"]["targetGroupARN"]) != targets:
                continue
            service = self.graph.named("kubernetes:core/v1:Service", binding.inputs["spec"]["serviceRef"]["name"])
            for pod in self.graph.of(DEPLOYMENT):
                if service.inputs["spec"]["selector"] == pod.inputs["spec"]["selector"]["matchLabels"]:
                    self.join(edge, self.key(pod), paths[0] if paths else "other paths", why, *opened)

    def _triggers(self) -> None:
        for mapping in self.graph.of("aws:lambda/eventSourceMapping:EventSourceMapping"):
            (stream,) = self.owners(mapping.inputs["eventSourceArn"])
            size = f"event mapping {mapping.name}, batches of {mapping.inputs['batchSize']}"
            self._called(self.key(stream), mapping.inputs["functionName"], "batches", size)
        for schedule in self.graph.of("aws:scheduler/schedule:Schedule"):
            why = f"schedule {schedule.inputs['scheduleExpression']}"
            self._called(self.key(schedule), schedule.inputs["target"]["arn"], "calls", why)
        for notice in self.graph.of("aws:s3/bucketNotification:BucketNotification"):
            (bucket,) = self.owners(notice.inputs["bucket"])
            for each in notice.inputs.get("lambdaFunctions") or ():
                why = f"notification {' '.join(each['events'])}"
                self._called(self.key(bucket), each["lambdaFunctionArn"], "files", why)

    def _called(self, source: str, alias_arn: str, verb: str, why: str) -> None:
        names = [alias.inputs["functionName"] for alias in self.owners(alias_arn)]
        for function in self.graph.of(FUNCTION):
            if function.inputs["name"] in names:
                self.join(source, self.key(function), verb, why)

    def _copies(self) -> None:
        """Connects the warehouse to the parts from which its COPY role may read."""
        (warehouse,) = self.graph.of(*WAREHOUSES)
        for holder in self.graph.of("aws:redshift/cluster:Cluster", "aws:redshiftserverless/namespace:Namespace"):
            for target, _, actions in self.allowed(self.owners(holder.inputs["iamRoles"])):
                self.join(target, self.key(warehouse), "COPY", f"{permission(actions)} of the warehouse's role")


def permission(actions: Mapping[str, str]) -> str:
    return f"permission {', '.join(actions.values())}"


def verb(actions: Mapping[str, str], read: str = "is read") -> str:
    return ACTIONS[next(iter(actions))].replace("is read", read)


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def variables(process: Resource) -> dict[str, str]:
    """Returns the environment variables of a function or a pod, by name."""
    if process.token == FUNCTION:
        values: dict[str, str] = process.inputs["environment"]["variables"]
        return values
    containers = process.inputs["spec"]["template"]["spec"]["containers"]
    return {each["name"]: str(each.get("value", "")) for container in containers for each in container["env"]}
