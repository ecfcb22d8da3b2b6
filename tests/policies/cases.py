"""Violations as data: each is a change of a good graph, and the policy rule that must report it.

A change is (type, path, value): the first resource of the type gets the value at the path. REMOVED removes the property
or, with an empty path, the resource. A path may lead into a JSON text.
"""

import json
from dataclasses import replace
from datetime import date
from typing import Any

from policies.rules.pack import rules
from policies.rules.pods import CRON_JOB, DEPLOYMENT, JOB
from policies.rules.properties import Must
from policies.rules.rule import Rule, Stack, Subject, Verdict
from stacks.offline import pack

REMOVED: Any = object()
TODAY = date(2026, 11, 26)
"""The day on which all is judged."""
OURS = pack.settings("prod")["account-is-ours"]["accounts"]
"""The accounts beside prod's own that prod's settings name."""
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
RULES: dict[str, Rule] = {rule.name: rule for _, rule in rules()}
Change = tuple[str, str, Any]

_POD = "spec.template.spec"
_CONTAINER = f"{_POD}.containers.0"
_SELECTOR = {"matchLabels": {"app": "another"}}
_ACL = "aws:ec2/networkAcl:NetworkAcl"
_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_FUNCTION = "aws:lambda/function:Function"
_PERMISSION = "aws:lambda/permission:Permission"
_BUCKET = "aws:s3/bucketPolicy:BucketPolicy"
_ROLE = "aws:iam/role:Role"
_POLICY = "aws:iam/rolePolicy:RolePolicy"
_QUEUE = "aws:sqs/queuePolicy:QueuePolicy"
_TRAIL = "aws:cloudtrail/trail:Trail"
_FIREWALL = "aws:wafv2/webAcl:WebAcl"
_LISTENER = "aws:lb/listener:Listener"
_PROVIDER = "pulumi:providers:aws"
_PROJECT = "aws:codebuild/project:Project"
_PIPELINE = "aws:codepipeline/pipeline:Pipeline"
_BUDGET = "aws:budgets/budget:Budget"
_RDS_GROUP = "aws:rds/clusterParameterGroup:ClusterParameterGroup"
_PDB = "kubernetes:policy/v1:PodDisruptionBudget"
_SCALED = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
_EVERYBODY = {"AWS": "*"}

BAD: dict[str, list[Change]] = {
    "vpc-default-group-closed": [("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "", REMOVED)],
    "vpc-flow-logs": [("aws:ec2/flowLog:FlowLog", "", REMOVED)],
    "vpc-ec2-endpoint": [("aws:ec2/vpcEndpoint:VpcEndpoint", "*serviceName", "com.amazonaws.us-east-1.sts")],
    "ingress-from-anywhere": [
        (_INGRESS, "fromPort", 22),
        (_INGRESS, "toPort", 65535),
        (_GROUP, "ingress", [{"fromPort": 3389, "toPort": 3389, "cidrBlocks": ["0.0.0.0/0"]}]),
        (_GROUP, "ingress", [{"fromPort": 5432, "toPort": 5432, "ipv6CidrBlocks": ["::/0"]}]),
        ("aws:ec2/securityGroupRule:SecurityGroupRule", "fromPort", 0),
    ],
    "network-acl-admin-ports": [
        (
            _ACL,
            "ingress",
            [{"action": "allow", "protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlock": "0.0.0.0/0"}],
        ),
        (
            _ACL,
            "ingress",
            [{"action": "allow", "protocol": "tcp", "fromPort": 22, "toPort": 22, "ipv6CidrBlock": "::/0"}],
        ),
    ],
    "routes-public-alone": [("aws:ec2/subnet:Subnet", "*tags.tier", it) for it in ("private", REMOVED)],
    "launch-template-no-public-address": [(_TEMPLATE, "networkInterfaces", [{"associatePublicIpAddress": "true"}])],
    "disks-encrypted-by-default": [
        ("aws:ebs/encryptionByDefault:EncryptionByDefault", "", REMOVED),
        ("aws:ebs/encryptionByDefault:EncryptionByDefault", "enabled", False),
    ],
    "subnets-in-zones": [("aws:ec2/subnet:Subnet", "*availabilityZone", "us-east-1a")],
    "cluster-api-not-open": [
        ("eks:index:Cluster", "endpointPublicAccess", True),
        ("eks:index:Cluster", "endpointPublicAccess", REMOVED),
    ],
    "version-supported": [
        *(("eks:index:Cluster", "version", it) for it in ("1.34", "1.29", "1.99", REMOVED)),
        *(("aws:eks/cluster:Cluster", "version", it) for it in ("1.34", REMOVED)),
        ("aws:eks/addon:Addon", "addonVersion", "v0.0.1"),
        ("aws:eks/addon:Addon", "addonName", "another"),
        *(("aws:rds/cluster:Cluster", "engineVersion", it) for it in ("12.22", REMOVED)),
        ("aws:rds/cluster:Cluster", "engine", "aurora-mysql"),
        ("aws:redshift/cluster:Cluster", "clusterVersion", "2.0"),
        *((_FUNCTION, "runtime", it) for it in ("python3.8", REMOVED)),
        *((_PROJECT, "environment.image", it) for it in ("aws/codebuild/standard:4.0", REMOVED)),
    ],
    "pods-identity": [
        ("kubernetes:core/v1:ServiceAccount", "metadata.annotations", {"eks.amazonaws.com/role-arn": "arn"}),
    ],
    "nodes-have-access-entries": [
        ("aws:eks/accessEntry:AccessEntry", "", REMOVED),
        ("aws:eks/accessEntry:AccessEntry", "principalArn", "arn:aws:iam::123456789012:role/another"),
    ],
    "pods-not-root": [
        (DEPLOYMENT, f"{_CONTAINER}.securityContext.runAsNonRoot", False),
        (DEPLOYMENT, _POD, {"containers": [{"name": "app"}]}),
    ],
    "pods-read-only": [
        (DEPLOYMENT, f"{_CONTAINER}.securityContext.readOnlyRootFilesystem", it) for it in (False, REMOVED)
    ],
    "pods-no-capabilities": [
        (DEPLOYMENT, f"{_CONTAINER}.securityContext.capabilities", it) for it in (dict[str, str](), REMOVED)
    ],
    "pods-not-privileged": [
        (DEPLOYMENT, f"{_CONTAINER}.securityContext.privileged", True),
        (DEPLOYMENT, f"{_CONTAINER}.securityContext.allowPrivilegeEscalation", REMOVED),
        (DEPLOYMENT, f"{_POD}.securityContext.seccompProfile", REMOVED),
        *((DEPLOYMENT, f"{_POD}.{key}", True) for key in ("hostNetwork", "hostPID", "hostIPC")),
    ],
    "pods-resources": [
        (type_, f"{container}.resources.{kind}.{of}", REMOVED)
        for type_, container in (
            (DEPLOYMENT, _CONTAINER),
            (JOB, f"{_POD}.initContainers.0"),
            (CRON_JOB, f"spec.jobTemplate.{_CONTAINER}"),
            (CRON_JOB, f"spec.jobTemplate.{_POD}.initContainers.0"),
        )
        for kind in ("requests", "limits")
        for of in ("cpu", "memory", "ephemeral-storage")
    ],
    "pods-image-by-digest": [(DEPLOYMENT, f"{_CONTAINER}.image", it) for it in ("app:latest", "app", "app:1", REMOVED)],
    "pods-no-credentials": [
        (DEPLOYMENT, f"{_CONTAINER}.env.0", {"name": "DB_PASSWORD", "value": "hunter2"}),
        (DEPLOYMENT, f"{_CONTAINER}.env.0", {"name": "URL", "value": "postgresql://me:hunter2@db/x"}),
    ],
    "pods-token-not-mounted": [
        (DEPLOYMENT, f"{_POD}.automountServiceAccountToken", REMOVED),
        ("kubernetes:core/v1:ServiceAccount", "automountServiceAccountToken", True),
    ],
    "deployment-replicas": [(DEPLOYMENT, "spec.replicas", it) for it in (2, REMOVED)],
    "deployment-anti-affinity": [
        (DEPLOYMENT, f"{_POD}.affinity", REMOVED),
        *(
            (
                DEPLOYMENT,
                f"{_POD}.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution.0.{path}",
                bad,
            )
            for path, bad in (
                ("weight", 1),
                ("podAffinityTerm.topologyKey", "kubernetes.io/hostname"),
                ("podAffinityTerm.labelSelector", _SELECTOR),
            )
        ),
    ],
    "deployment-spread": [
        (DEPLOYMENT, f"{_POD}.topologySpreadConstraints", REMOVED),
        *(
            (DEPLOYMENT, f"{_POD}.topologySpreadConstraints.0.{path}", bad)
            for path, bad in (
                ("maxSkew", 2),
                ("minDomains", 1),
                ("minDomains", 3),
                ("nodeTaintsPolicy", REMOVED),
                ("nodeTaintsPolicy", "Ignore"),
                ("matchLabelKeys", REMOVED),
                ("matchLabelKeys", ["app"]),
                ("whenUnsatisfiable", "ScheduleAnyway"),
                ("topologyKey", "kubernetes.io/hostname"),
                ("labelSelector", _SELECTOR),
            )
        ),
    ],
    "deployment-patience": [
        (DEPLOYMENT, f"{_POD}.tolerations", REMOVED),
        (DEPLOYMENT, f"{_POD}.tolerations.0", REMOVED),
        (DEPLOYMENT, f"{_POD}.tolerations.1.tolerationSeconds", 300),
        (DEPLOYMENT, f"{_POD}.tolerations.1.tolerationSeconds", REMOVED),
    ],
    "deployment-disruption-budget": [
        (_PDB, "", REMOVED),
        (_PDB, "spec.maxUnavailable", 0),
        (_PDB, "spec.maxUnavailable", "0%"),
        (_PDB, "spec.minAvailable", 3),
        (_PDB, "spec.unhealthyPodEvictionPolicy", "IfHealthyBudget"),
        (_PDB, "spec.unhealthyPodEvictionPolicy", REMOVED),
        (_PDB, "spec.selector", _SELECTOR),
        (_PDB, "metadata.namespace", "another"),
    ],
    "deployment-autoscaled": [
        (_SCALED, "", REMOVED),
        (_SCALED, "spec.minReplicas", 1),
        (_SCALED, "spec.maxReplicas", 1),
        (_SCALED, "spec.scaleTargetRef.name", "another"),
    ],
    "namespace-default-deny": [
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "*", REMOVED),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "*spec.policyTypes", ["Ingress"]),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "*spec.ingress", [{}]),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "*metadata.namespace", "another"),
    ],
    "function-invokers": [
        (_PERMISSION, "principal", "*"),
        (_PERMISSION, "sourceArn", REMOVED),
        (_PERMISSION, "sourceAccount", REMOVED),
    ],
    "function-place": [(_FUNCTION, "vpcConfig", REMOVED), (_FUNCTION, "environment", REMOVED)],
    "function-in-two-zones": [(_FUNCTION, "vpcConfig.subnetIds", ["subnet-1"])],
    "function-no-credentials": [
        (_FUNCTION, "environment.variables.API_KEY", "abc"),
        (_FUNCTION, "environment.variables.SOME", "AKIAABCDEFGHIJKLMNOP"),
    ],
    "warehouse-tls": [
        ("aws:redshift/parameterGroup:ParameterGroup", "parameters.0.value", "false"),
        ("aws:redshift/parameterGroup:ParameterGroup", "parameters", REMOVED),
        ("aws:redshiftserverless/workgroup:Workgroup", "configParameters.0.parameterValue", "false"),
    ],
    "warehouse-in-two-zones": [("aws:redshift/cluster:Cluster", "availabilityZoneRelocationEnabled", False)],
    "warehouse-audit-log": [("aws:redshift/logging:Logging", "", REMOVED)],
    "warehouse-statements-logged": [
        ("aws:redshift/parameterGroup:ParameterGroup", "parameters.1.value", "false"),
        ("aws:redshiftserverless/workgroup:Workgroup", "configParameters.1.parameterValue", "false"),
    ],
    "database-in-zones": [("aws:rds/clusterInstance:ClusterInstance", "*availabilityZone", "us-east-1a")],
    "database-backed-up": [("aws:backup/selection:Selection", "", REMOVED)],
    "database-logs": [
        *((_RDS_GROUP, f"parameters.{place}.value", "0") for place in (1, 2)),
        (_RDS_GROUP, "parameters.3.value", "none"),
        (_RDS_GROUP, "parameters", REMOVED),
    ],
    "database-tls": [(_RDS_GROUP, "parameters.0.value", "0"), (_RDS_GROUP, "parameters", REMOVED)],
    **{
        name: [(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}", "", REMOVED)]
        for name, kind in (
            ("bucket-not-public", "BucketPublicAccessBlock"),
            ("bucket-access-logged", "BucketLogging"),
            ("bucket-lifecycle", "BucketLifecycleConfiguration"),
            ("bucket-no-acls", "BucketOwnershipControls"),
            ("bucket-versioned", "BucketVersioning"),
            ("bucket-encrypted", "BucketServerSideEncryptionConfiguration"),
        )
    },
    "bucket-tls": [
        (_BUCKET, "", REMOVED),
        (_BUCKET, "policy#Statement.0.Condition", REMOVED),
        (_BUCKET, "policy#Statement.0.Effect", "Allow"),
        (_BUCKET, "policy#Statement.0.Action", ["s3:GetObject"]),
        (_BUCKET, "policy#Statement.0.Resource", ["arn:aws:s3:::it/*"]),
        (_BUCKET, "policy#Statement.0.Principal", {"AWS": "123456789012"}),
    ],
    "archive-locked": [
        ("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "", REMOVED),
        (
            "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
            "rule.defaultRetention.mode",
            "GOVERNANCE",
        ),
        ("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "rule.defaultRetention.days", 1),
        ("aws:s3/bucket:Bucket", "*objectLockEnabled", False),
    ],
    "keys-not-all-decrypted": [
        (_POLICY, "policy#Statement.0", {"Effect": "Allow", "Action": action, "Resource": resource})
        for action, resource in (("kms:Decrypt", "*"), ("kms:*", ["arn:aws:kms:*:123456789012:key/*"]), ("*", "*"))
    ],
    "key-rotated": [("aws:kms/key:Key", "*enableKeyRotation", it) for it in (False, REMOVED)],
    "key-policy": [("aws:kms/key:Key", "*policy#Statement.0.Principal", it) for it in ("*", _EVERYBODY)],
    "policy-not-everything": [
        (_POLICY, "policy#Statement.0", {"Effect": "Allow", "Action": "*", "Resource": "*"}),
        (_POLICY, "policy#Statement.0", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
    ],
    "role-no-administrator": [
        ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "policyArn", f"arn:aws:iam::aws:policy/{name}")
        for name in ("AdministratorAccess", "PowerUserAccess")
    ],
    "policy-no-whole-service": [(_POLICY, "policy#Statement.0.Action", ["s3:*"])],
    "resource-not-for-everybody": [
        (_QUEUE, "policy#Statement.0.Effect", "Allow"),
        ("aws:sns/topicPolicy:TopicPolicy", "policy#Statement.0.Principal", "*"),
        (_ROLE, "assumeRolePolicy#Statement.0.Principal", _EVERYBODY),
    ],
    "service-acts-for-us-alone": [
        (_ROLE, "assumeRolePolicy#Statement.0.Condition", REMOVED),
        ("aws:sns/topicPolicy:TopicPolicy", "policy#Statement.0.Condition", REMOVED),
    ],
    "trust-names-an-account": [(_ROLE, "assumeRolePolicy#Statement.0.Principal", _EVERYBODY)],
    "build-no-credentials": [(_PROJECT, "environment.environmentVariables", [{"name": "TOKEN", "value": "abc"}])],
    "build-logs": [
        (_PROJECT, "logsConfig", {"cloudwatchLogs": {"status": "DISABLED"}}),
        (_PROJECT, "logsConfig", {"s3Logs": {"encryptionDisabled": True}}),
    ],
    "pipeline-source": [(_PIPELINE, "stages.0.actions.0.provider", "GitHub"), (_PIPELINE, "stages.0", {"name": "s"})],
    "pipeline-approval": [(_PIPELINE, "stages.1.actions.0.category", "Build")],
    "pipeline-rollback": [(_PIPELINE, "stages.2.onFailure", it) for it in (REMOVED, {"result": "RETRY"})],
    "pipeline-no-latest": [(_PIPELINE, "stages.2.actions.0.configuration", {"Image": "app:latest"})],
    "images-lifecycle": [("aws:ecr/lifecyclePolicy:LifecyclePolicy", "", REMOVED)],
    "trail-everywhere": [
        (_TRAIL, "advancedEventSelectors", [{"fieldSelectors": [{"field": "eventCategory", "equals": ["Data"]}]}]),
        (_TRAIL, "advancedEventSelectors.0.fieldSelectors.1", {"field": "readOnly", "equals": ["true"]}),
    ],
    "firewall-rules": [
        (_FIREWALL, "rules", REMOVED),
        (_FIREWALL, "rules.0.overrideAction", {"count": {}}),
    ],
    "firewall-logged": [("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration", "", REMOVED)],
    "firewall-metrics": [
        (_FIREWALL, "visibilityConfig.cloudwatchMetricsEnabled", False),
        (_FIREWALL, "rules.0.visibilityConfig.cloudwatchMetricsEnabled", False),
    ],
    "balancer-redirects": [(_LISTENER, "*defaultActions", [{"type": "forward"}])],
    "balancer-tls": [(_LISTENER, "*sslPolicy", it) for it in ("ELBSecurityPolicy-2016-08", REMOVED)],
    "balancer-firewall": [("aws:wafv2/webAclAssociation:WebAclAssociation", "", REMOVED)],
    "secret-rotated": [("aws:secretsmanager/secretRotation:SecretRotation", "", REMOVED)],
    "queue-encrypted": [("aws:sqs/queue:Queue", "kmsMasterKeyId", REMOVED)],
    "tags": [(_PROVIDER, "defaultTags#tags.owner", REMOVED), (_PROVIDER, "defaultTags", REMOVED)],
    "regions": [
        (_PROVIDER, "region", "ap-east-1"),
        (_PROVIDER, "region", REMOVED),
        ("aws:backup/vault:Vault", "region", "ap-east-1"),
    ],
    "budget": [(_BUDGET, "", REMOVED), (_BUDGET, "notifications", REMOVED)],
    "no-qldb": [("aws:qldb/ledger:Ledger", "permissionsMode", "STANDARD")],
}
PREVIEW_BAD: dict[str, list[Change]] = {
    "budget": [(_BUDGET, "", REMOVED)],
    "preview-expires": [(_PROVIDER, "defaultTags#tags.expires", it) for it in (REMOVED, "soon")],
    "preview-ceiling": [(_BUDGET, "limitAmount", it) for it in ("51", REMOVED)] + [(_BUDGET, "limitUnit", "EUR")],
    "preview-role-bounded": [(_ROLE, "permissionsBoundary", REMOVED)],
}


def changed(props: Any, path: str, value: Any) -> Any:
    """Return a copy of the properties with a value at the path; `*` is a list's first item, `#` enters a JSON text."""
    if not path:
        return value
    step, _, rest = path.partition(".")
    if "#" in step:
        key, _, inner = step.partition("#")
        inside = changed(json.loads(props[key]), f"{inner}.{rest}" if rest else inner, value)
        return {**props, key: json.dumps(inside)}
    if isinstance(props, list) or step == "*" or step.isdigit():
        content, place = list(props or [{}]), 0 if step == "*" else int(step)
        content += [{}] * (place + 1 - len(content))
        content[place] = changed(content[place], rest, value)
        return [item for item in content if item is not REMOVED]
    held_map = dict(props or {})
    result = changed(held_map.get(step), rest, value)
    if result is REMOVED:
        held_map.pop(step, None)
    else:
        held_map[step] = result
    return held_map


def apply(stack: Stack, change: Change) -> Stack:
    """Return the stack with the first resource of the type changed, or with all if the path begins with a star."""
    type_, path, value = change
    every, path = path.startswith("*"), path.removeprefix("*")
    seen = False
    subjects: list[Subject] = []
    for subject in stack.subjects:
        if subject.type != type_ or (seen and not every):
            subjects.append(subject)
            continue
        seen = True
        if path:
            subjects.append(replace(subject, props=changed(subject.props, path, value)))
    assert seen, f"no {type_} to change"
    return Stack(tuple(subjects))


def judged(rule: Rule, stack: Stack) -> list[tuple[Subject, Verdict]]:
    return [
        (subject, rule.judge(subject, {"today": TODAY, "accounts": OURS}, stack))
        for subject in stack.subjects
        if rule.about(subject.type)
    ]


def faults(rule: Rule, stack: Stack) -> list[str]:
    return [fault for _, verdict in judged(rule, stack) for fault in verdict.faults]


def musts() -> list[tuple[Rule, str, Must]]:
    """Return every property that a rule demands, with the rule and the type of resource that has it."""
    own = [(rule, type_, must) for rule in RULES.values() for type_, those in rule.musts.items() for must in those]
    beside = [
        (rule, companion.type, must)
        for rule in RULES.values()
        for companion in rule.companions
        for must in companion.musts
    ]
    return own + beside
