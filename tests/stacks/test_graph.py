"""Tests of the recorded graph that hold for all layers of every environment."""

import json
import re
from collections import Counter, defaultdict
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from app.lags import Part
from app.ledger.worker import LAG_METRICS
from app.processes import FUNCTIONS, HOSTING
from app.settings import LAG_LIMITS_S
from cloud.lags import LAGS
from pipelines import build_permissions
from stacks.offline.recording import Graph, Resource
from stacks.settings import Layer
from tests.stacks.graphs import ENVIRONMENTS, IMAGE, VERSIONS, apps_of, graph_of

STATEFUL = {
    "aws:backup/vault:Vault",
    "aws:cognito/userPool:UserPool",
    "aws:ecr/repository:Repository",
    "aws:kinesis/stream:Stream",
    "aws:kms/key:Key",
    "aws:rds/cluster:Cluster",
    "aws:rds/clusterInstance:ClusterInstance",
    "aws:redshift/cluster:Cluster",
    "aws:route53/zone:Zone",
    "aws:s3/bucket:Bucket",
    "eks:index:Cluster",
}
# What AWS's service authorization reference scopes to no resource; statements of the Data API to who started them.
UNSCOPED = {
    "cloudwatch:GetMetricData",
    "redshift-data:CancelStatement",
    "redshift-data:DescribeStatement",
    "redshift-data:GetStatementResult",
    *build_permissions.UNSCOPED,
}
REQUIRED_TAGS = {"project", "environment", "layer", "owner", "managed-by"}
PHYSICAL = ("name", "clusterIdentifier", "dashboardName", "namespaceName", "workgroupName", "analyzerName")


def policies(graph: Graph) -> list[tuple[Resource, dict[str, Any]]]:
    """Return the statements of roles' inline policies, each with its policy resource."""
    policies_ = graph.of("aws:iam/rolePolicy:RolePolicy")
    return [
        (policy, statement) for policy in policies_ for statement in json.loads(policy.inputs["policy"])["Statement"]
    ]


def test_no_two_resources_have_the_same_urn(graph: Graph) -> None:
    counted = Counter(resource.urn for resource in graph.resources)
    assert not [urn for urn, times in counted.items() if times > 1]


def test_programs_that_know_only_the_parents_type_can_tell_resources_apart(graph: Graph) -> None:
    """Resources differ in name or type even for Pulumi's own mocks, whose URNs have only the parent's type."""

    def shortened(resource: Resource) -> tuple[str, ...]:
        stack, _, kinds, name = resource.urn.removeprefix("urn:pulumi:").split("::")
        return stack, *kinds.split("$")[-2:], name

    counted = Counter(shortened(resource) for resource in graph.resources)
    assert not [names for names, times in counted.items() if times > 1]


def test_no_two_resources_have_the_same_physical_name(graph: Graph) -> None:
    names = Counter(
        (resource.token, resource.inputs.get("region"), resource.inputs.get("metadata", {}).get("namespace"), value)
        for resource in graph.resources
        for value in [next((resource.inputs[key] for key in PHYSICAL if key in resource.inputs), None)]
        if value
        and resource.custom
        and not resource.token.startswith(
            ("aws:lambda/alias", "aws:route53/record", "aws:rds/clusterInstance", "aws:redshift/")
        )
    )
    assert not [name for name, times in names.items() if times > 1]


def test_every_resource_has_the_provider_that_tags_it(graph: Graph) -> None:
    tags = {
        provider.urn: provider.inputs["defaultTags"]["tags"]
        if isinstance(provider.inputs["defaultTags"], dict)
        else json.loads(provider.inputs["defaultTags"])["tags"]
        for provider in graph.of("pulumi:providers:aws")
    }
    resources = [resource for resource in graph.resources if resource.token.startswith("aws:")]
    assert {resource.layer for resource in resources} == set(Layer)
    for resource in resources:
        tagged = tags[resource.provider.rsplit("::", 1)[0]]
        assert set(tagged) >= REQUIRED_TAGS, resource.urn
        assert tagged["layer"] == resource.layer


def test_what_holds_data_is_protected_in_prod(prod: Graph) -> None:
    stateful = [resource for resource in prod.resources if resource.token in STATEFUL]
    assert {resource.token for resource in stateful} == STATEFUL
    assert not [resource.urn for resource in stateful if not resource.protect]
    assert all(cluster.inputs["deletionProtection"] for cluster in prod.of("aws:rds/cluster:Cluster"))
    assert not prod.named("aws:rds/cluster:Cluster", "ledger").inputs["skipFinalSnapshot"]


def test_dev_protects_nothing_so_that_it_can_be_destroyed_and_the_others_protect_what_holds_data(
    graph: Graph, environment: str
) -> None:
    protected = {resource.token for resource in graph.resources if resource.protect}
    assert protected >= STATEFUL if environment == "prod" else not protected


def test_every_zone_has_its_subnets_which_are_disjoint_and_routed(graph: Graph, environment: str) -> None:
    subnets = graph.of("aws:ec2/subnet:Subnet")
    by_zone = Counter(subnet.inputs["availabilityZone"] for subnet in subnets)
    assert set(by_zone.values()) == {3}
    assert len(by_zone) == 3
    ranges = [IPv4Network(subnet.inputs["cidrBlock"]) for subnet in subnets]
    assert not any(range_.overlaps(other) for range_, other in combinations(ranges, 2))
    routed = {a.inputs["subnetId"] for a in graph.of("aws:ec2/routeTableAssociation:RouteTableAssociation")}
    assert len(routed) == len(subnets)
    gateways = {r.name: r.inputs.get("natGatewayId") for r in graph.of("aws:ec2/route:Route") if "private" in r.name}
    assert len(gateways) == 3
    assert len(set(gateways.values())) == (3 if environment == "prod" else 1)


def test_data_subnets_have_no_way_out(graph: Graph) -> None:
    assert not [route.name for route in graph.of("aws:ec2/route:Route") if "-data-" in route.name]


def open_ports(graph: Graph, tier: str, way: str) -> set[tuple[int, int]]:
    """Return the port ranges that a tier's network ACL opens to or from any address."""
    rules = graph.named("aws:ec2/networkAcl:NetworkAcl", f"network-{tier}").inputs[way]
    return {(rule["fromPort"], rule["toPort"]) for rule in rules if rule["cidrBlock"] == "0.0.0.0/0"}


def test_network_acls_let_through_what_listeners_and_s3_need_and_no_shell(graph: Graph) -> None:
    listening = {int(resource.inputs["port"]) for resource in graph.of("aws:lb/listener:Listener")}
    assert {(port, port) for port in listening} <= open_ports(graph, "public", "ingress")
    # The gateway endpoint leads to public addresses: COPY asks there, and answers come back to high ports.
    assert open_ports(graph, "data", "egress") == {(443, 443)}
    assert (1024, 3388) in open_ports(graph, "data", "ingress")
    for tier in ("public", "private", "data"):
        for first, last in open_ports(graph, tier, "ingress"):
            assert not any(first <= port <= last for port in (22, 3389)), tier


def test_nodes_stand_in_private_subnets_alone(graph: Graph) -> None:
    (cluster,) = graph.of("eks:index:Cluster")
    assert not {"publicSubnetIds", "subnetIds"} & set(cluster.inputs)
    subnets = cluster.inputs["privateSubnetIds"]
    assert len(subnets) == 3
    (nodes,) = graph.of("kubernetes:eks.amazonaws.com/v1:NodeClass")
    assert [term["id"] for term in nodes.inputs["spec"]["subnetSelectorTerms"]] == subnets


def test_the_node_pool_buys_nodes_of_our_class_in_the_clusters_group_and_by_its_role(graph: Graph) -> None:
    (pool,) = graph.of("kubernetes:karpenter.sh/v1:NodePool")
    (nodes,) = graph.of("kubernetes:eks.amazonaws.com/v1:NodeClass")
    ours = {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": nodes.inputs["metadata"]["name"]}
    assert pool.inputs["spec"]["template"]["spec"]["nodeClassRef"] == ours
    assert nodes.urn in pool.dependencies, "Karpenter finds no class that isn't there"
    spec = nodes.inputs["spec"]
    assert spec["securityGroupSelectorTerms"] == [{"id": graph.exports[f"{nodes.stack}"]["podsGroupId"]}]
    assert spec["role"].startswith("cluster-nodeRole-")
    assert ours["name"] != "default", "EKS's own"


def test_a_nodes_disk_holds_images_and_all_that_its_pods_may_write(graph: Graph) -> None:
    """So many pods fit the processors of a 2xlarge; at 85 % kubelet begins to delete images."""
    (nodes,) = graph.of("kubernetes:eks.amazonaws.com/v1:NodeClass")
    limits = [
        container["resources"]["limits"]["ephemeral-storage"]
        for deployment in graph.of("kubernetes:apps/v1:Deployment")
        for container in deployment.inputs["spec"]["template"]["spec"]["containers"]
    ]
    pods, images = 31, 3
    written = pods * max(int(limit.removesuffix("Mi")) for limit in limits) / 1024
    assert written + images <= 0.85 * int(nodes.inputs["spec"]["ephemeralStorage"]["size"].removesuffix("Gi"))


def test_environments_do_not_overlap() -> None:
    ranges = [
        IPv4Network(graph_of(name).named("aws:ec2/vpc:Vpc", "network").inputs["cidrBlock"]) for name in ENVIRONMENTS
    ]
    assert not any(range_.overlaps(other) for range_, other in combinations(ranges, 2))


def test_security_groups_name_each_other_and_only_the_load_balancer_is_open(graph: Graph) -> None:
    rules = graph.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    open_to_all = {rule.name for rule in rules if "cidrIpv4" in rule.inputs}
    assert open_to_all == {"edge-80", "edge-443"}
    assert all("referencedSecurityGroupId" in rule.inputs for rule in rules if rule.name not in open_to_all)
    assert not [group.name for group in graph.of("aws:ec2/securityGroup:SecurityGroup") if group.inputs.get("ingress")]


def test_roles_name_the_resources_and_actions_that_they_need(graph: Graph) -> None:
    statements = list(policies(graph))
    assert statements
    for owner, statement in statements:
        assert "*" not in statement["Resource"] or set(statement["Action"]) <= UNSCOPED, owner.name
        assert not [action for action in statement["Action"] if action.endswith(":*")], owner.name


def test_every_role_is_taken_on_by_one_service_for_this_account_alone_or_by_named_pipelines(graph: Graph) -> None:
    assert graph.of("aws:iam/role:Role")
    pipelines = r"arn:aws:iam::(123456789012|111122223333):role/delivery-[a-z-]+"  # this account's, or prod's
    for role in graph.of("aws:iam/role:Role"):
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        if "Service" in statement["Principal"]:
            assert isinstance(statement["Principal"]["Service"], str)
            assert statement["Condition"] == {"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}}
        else:
            assert statement["Principal"]["AWS"]
            assert all(re.fullmatch(pipelines, arn) for arn in statement["Principal"]["AWS"])


def test_every_log_group_is_encrypted_and_ends(graph: Graph) -> None:
    groups = graph.of("aws:cloudwatch/logGroup:LogGroup")
    named = {group.inputs.get("name") for group in groups}
    cluster = graph.of("eks:index:Cluster")[0].inputs["name"]
    assert {f"/aws/eks/{cluster}/cluster", f"/aws/containerinsights/{cluster}/application"} <= named
    assert len(groups) >= 10
    assert all(group.inputs["kmsKeyId"] and group.inputs["retentionInDays"] >= 365 for group in groups)


def test_each_bucket_that_the_application_does_not_empty_tells_the_alerts_of_deletions(graph: Graph) -> None:
    kept = {bucket.name for bucket in graph.of("aws:s3/bucket:Bucket")} - {"exports", "feeds", "staging"}
    watched = {
        notice.name: notice.inputs["topics"]
        for notice in graph.of("aws:s3/bucketNotification:BucketNotification")
        if notice.inputs.get("topics")
    }
    (base,) = [exports for stack, exports in graph.exports.items() if stack.startswith("base.")]
    deletions = [{"topicArn": base["alertsTopicArn"], "events": ["s3:ObjectRemoved:*"]}]
    assert watched == dict.fromkeys(kept, deletions)
    (topic,) = graph.of("aws:sns/topicPolicy:TopicPolicy")
    key = graph.named("aws:kms/key:Key", "keys-logs")
    for resource in (topic, key):
        statements = json.loads(resource.inputs["policy"])["Statement"]
        assert [s for s in statements if s["Principal"] == {"Service": "s3.amazonaws.com"} and s["Condition"]]


def test_each_subnet_has_the_network_acl_of_its_tier(graph: Graph) -> None:
    (base,) = [exports for stack, exports in graph.exports.items() if stack.startswith("base.")]
    for tier in ("public", "private", "data"):
        acl = graph.named("aws:ec2/networkAcl:NetworkAcl", f"network-{tier}")
        assert acl.inputs["subnetIds"] == list(base[f"{tier}SubnetIds"].values())


def test_every_bucket_is_closed_encrypted_versioned_and_ages(graph: Graph) -> None:
    buckets = {bucket.name for bucket in graph.of("aws:s3/bucket:Bucket")}
    for part in (
        "BucketPublicAccessBlock",
        "BucketOwnershipControls",
        "BucketPolicy",
        "BucketServerSideEncryptionConfiguration",
        "BucketVersioning",
        "BucketLifecycleConfiguration",
    ):
        token = f"aws:s3/{part[0].lower()}{part[1:]}:{part}"
        assert {resource.name for resource in graph.of(token)} == buckets, part
    assert {resource.name for resource in graph.of("aws:s3/bucketLogging:BucketLogging")} == buckets - {
        "audit-access-logs"
    }


def test_old_versions_in_buckets_are_deleted_after_90_days_at_most(graph: Graph) -> None:
    """Includes the bucket of the audit trail, which keeps its current objects for seven years."""
    aging = graph.of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    rules = [rule for resource in aging for rule in resource.inputs["rules"]]
    assert all(1 <= rule["noncurrentVersionExpiration"]["noncurrentDays"] <= 90 for rule in rules)
    assert any(rule.get("expiration", {}).get("days", 0) > 365 for rule in rules)


def test_every_function_has_role_logs_an_end_for_failures_and_alarms(graph: Graph) -> None:
    functions = graph.of("aws:lambda/function:Function")
    assert len(functions) == len(FUNCTIONS) + (len(HOSTING) if "base.dev" in graph.exports else 0)
    names = {function.name for function in functions}
    for token in (
        "aws:iam/role:Role",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:lambda/alias:Alias",
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
    ):
        assert names <= {resource.name for resource in graph.of(token)}, token
    alarms = {alarm.name for alarm in graph.of("aws:cloudwatch/metricAlarm:MetricAlarm")}
    assert {f"{name}-{kind}" for name in names for kind in ("errors", "failed")} <= alarms
    for function in functions:
        assert function.inputs["deadLetterConfig"]["targetArn"]
        assert function.inputs["tracingConfig"] == {"mode": "Active"}
        assert function.inputs["reservedConcurrentExecutions"] > 0
        assert len(function.inputs["vpcConfig"]["subnetIds"]) >= 2
        assert not [key for key in function.inputs["environment"]["variables"] if re.search("PASSWORD|SECRET", key)]


def test_nothing_that_could_not_be_handled_lies_in_silence(graph: Graph) -> None:
    queues = {queue.name for queue in graph.of("aws:sqs/queue:Queue")}
    watched = {
        alarm.name
        for alarm in graph.of("aws:cloudwatch/metricAlarm:MetricAlarm")
        if alarm.inputs["metricName"] == "ApproximateNumberOfMessagesVisible" and alarm.inputs["alarmActions"]
    }
    assert queues
    assert queues == watched


def test_the_alarms_of_lags_hear_the_figures_that_the_sealer_prints(environment: str, graph: Graph) -> None:
    apps = apps_of(environment, **IMAGE, **VERSIONS)
    filters = graph.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")
    figures = {
        resource.inputs["metricTransformation"]["name"]: resource.inputs["metricTransformation"]
        for resource in filters
        if resource.layer == "cluster"
    }
    assert set(figures) == set(LAG_METRICS.values())
    (namespace,) = graph.of("kubernetes:core/v1:Namespace")
    for lag, declared in LAGS.items():
        alarm = apps.named("aws:cloudwatch/metricAlarm:MetricAlarm", f"rewards-{lag}").inputs
        figure = figures[declared.metric]
        assert (alarm["namespace"], alarm["metricName"]) == (figure["namespace"], figure["name"])
        assert set(alarm["dimensions"]) == set(figure["dimensions"])
        assert list(alarm["dimensions"].values()) == [namespace.inputs["metadata"]["name"]]
        assert alarm["treatMissingData"] == "breaching"


def test_alarms_and_the_application_have_the_same_limits() -> None:
    limits = {LAG_METRICS[Part(part)]: seconds for part, seconds in LAG_LIMITS_S.items()}
    assert {lag.metric: lag.late_seconds for lag in LAGS.values()} == limits


def test_the_stream_is_read_in_batches_that_end(graph: Graph) -> None:
    (mapping,) = graph.of("aws:lambda/eventSourceMapping:EventSourceMapping")
    assert mapping.inputs["bisectBatchOnFunctionError"]
    assert mapping.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]
    # A failover of minutes must not use the retries up: the records' age ends them.
    assert mapping.inputs["maximumRetryAttempts"] >= 1_000
    assert mapping.inputs["maximumRecordAgeInSeconds"] == 7 * 86_400
    assert mapping.inputs["destinationConfig"]["onFailure"]["destinationArn"]


def test_the_nightly_calculation_fires_at_midnight_in_the_programs_zone(graph: Graph) -> None:
    schedule = graph.named("aws:scheduler/schedule:Schedule", "nightly-rewards")
    assert schedule.inputs["scheduleExpression"] == "cron(0 0,1 * * ? *)"
    assert schedule.inputs["scheduleExpressionTimezone"] == "America/New_York"
    assert schedule.inputs["target"]["deadLetterConfig"]["arn"]


def test_databases_stand_in_two_zones_or_more(graph: Graph) -> None:
    zones = {resource.inputs["availabilityZone"] for resource in graph.of("aws:rds/clusterInstance:ClusterInstance")}
    assert len(zones) >= 2


@pytest.mark.parametrize(
    ("token", "name", "key", "value"),
    [
        ("aws:rds/cluster:Cluster", "ledger", "iamDatabaseAuthenticationEnabled", True),
        ("aws:rds/cluster:Cluster", "ledger", "storageEncrypted", True),
        ("aws:redshift/cluster:Cluster", "warehouse", "availabilityZoneRelocationEnabled", True),
        ("aws:redshift/cluster:Cluster", "warehouse", "enhancedVpcRouting", True),
        ("aws:redshift/cluster:Cluster", "warehouse", "publiclyAccessible", False),
        ("eks:index:Cluster", "cluster", "endpointPublicAccess", False),
        ("eks:index:Cluster", "cluster", "authenticationMode", "API"),
        ("eks:index:Cluster", "cluster", "deletionProtection", True),
        ("aws:cloudtrail/trail:Trail", "audit", "isMultiRegionTrail", True),
        ("aws:lb/loadBalancer:LoadBalancer", "edge", "dropInvalidHeaderFields", True),
    ],
)
def test_prod_is_as_security_wants_it(prod: Graph, token: str, name: str, key: str, value: object) -> None:
    assert prod.named(token, name).inputs[key] == value


def test_the_trail_watches_the_buckets_that_the_archive_makes(graph: Graph) -> None:
    (trail,) = graph.of("aws:cloudtrail/trail:Trail")
    watched = trail.inputs["advancedEventSelectors"][1]["fieldSelectors"][2]["startsWiths"]
    archive, exports = (graph.named("aws:s3/bucket:Bucket", name) for name in ("archive", "exports"))
    assert watched == [f"arn:aws:s3:::{bucket.inputs['bucketPrefix']}" for bucket in (archive, exports)]
    assert archive.inputs["objectLockEnabled"]


def test_exports_are_not_locked_but_kept_and_backed_up_so_that_erasure_reaches_them(graph: Graph) -> None:
    exports = graph.named("aws:s3/bucket:Bucket", "exports")
    assert not exports.inputs["objectLockEnabled"]
    rules = graph.named("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "exports").inputs["rules"]
    assert not any("expiration" in rule for rule in rules)
    (selection,) = graph.of("aws:backup/selection:Selection")
    stack = next(name for name in graph.exports if name.startswith("data."))
    arn = graph.exports[stack]["exportsBucketArn"]
    assert arn in selection.inputs["resources"]
    for name in ("journal-export", "warehouse-load"):
        allowed = [statement["Resource"] for policy, statement in policies(graph) if policy.name == name]
        assert [f"{arn}/exports/*"] in allowed


# Where Pulumi's module is called otherwise than the service's actions are.
SERVICES = {
    "codestarnotifications": "codestar-notifications",
    "cognito": "cognito-idp",
    "ebs": "ec2",
    "lb": "elasticloadbalancing",
    "redshiftserverless": "redshift-serverless",
    "vpc": "ec2",
}


def test_the_readme_asks_for_the_permissions_that_the_program_uses() -> None:
    readme = (Path(__file__).parent.parent.parent / "stacks" / "README.md").read_text()
    services = set(re.findall(r"`([a-z0-9-]+)`", readme[readme.index("Who runs `pulumi up`") : readme.index("Quotas")]))
    modules = {
        resource.token.split(":")[1].split("/")[0]
        for resource in graph_of("prod").resources
        if resource.token[:4] == "aws:"
    }
    assert {SERVICES.get(module, module) for module in modules} <= services


def test_what_uses_a_role_is_made_after_the_roles_policies(graph: Graph) -> None:
    """A function or build made earlier could run before its role has the permissions, and fail."""
    policies: dict[str, set[str]] = defaultdict(set)
    for policy in graph.of("aws:iam/rolePolicy:RolePolicy", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
        for role in policy.links.get("role", ()):  # of this layer
            if graph.by_urn()[role].parent == policy.parent:  # other components' are for what they make themselves
                policies[role].add(policy.urn)
    users = [
        (resource, role)
        for resource in graph.resources
        for role in {source for sources in resource.links.values() for source in sources} & policies.keys()
        if not resource.token.startswith("aws:iam/")
    ]
    assert {user.token for user, _ in users} >= {"aws:lambda/function:Function", "aws:codebuild/project:Project"}
    assert [(user.urn, role) for user, role in users if not policies[role] <= user.dependencies] == []
