"""Lets an environment host previews: a Lambda function that makes their namespaces and databases, and ClusterRoles.

The function and the builds of previews are groups in Kubernetes. ClusterRoles define what each group may do, admission
policies (stacks.admission) which values its objects may have.
"""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from app.processes import HOSTING
from cloud.function import Function, FunctionArgs, Vpc
from cloud.iam import Allow
from cloud.migration import Migration
from cloud.signing import Signing
from stacks import admission
from stacks.runtime import Runtime

PLACE = "preview-place"
_RBAC = "rbac.authorization.k8s.io"
_CHANGE = ["create", "delete", "get", "list", "patch", "update", "watch"]
_LOOK = ["get", "list", "watch"]
# What a preview's stack makes in its namespace, and what Pulumi looks at until it is ready: API group, kinds, verbs.
_BUILDS = (
    ("", ["configmaps", "serviceaccounts", "services"], _CHANGE),
    ("", ["endpoints", "events", "persistentvolumeclaims", "pods", "pods/log"], _LOOK),  # claims for each Deployment
    ("apps", ["deployments"], _CHANGE),
    ("apps", ["replicasets"], _LOOK),
    ("autoscaling", ["horizontalpodautoscalers"], _CHANGE),
    ("batch", ["jobs"], _CHANGE),
    ("discovery.k8s.io", ["endpointslices"], _LOOK),
    ("eks.amazonaws.com", ["targetgroupbindings"], _CHANGE),
    ("networking.k8s.io", ["networkpolicies"], _CHANGE),
    ("policy", ["poddisruptionbudgets"], _CHANGE),
)
_PLACING = (
    ("", ["namespaces"], ["create", "delete", "get"]),
    ("", ["resourcequotas"], ["create"]),
    (_RBAC, ["rolebindings"], ["create"]),
)


def deploy(runtime: Runtime, vpc: Vpc, migration: Migration, signing: Signing | None) -> pulumi.Output[str]:
    """Makes the function, the ClusterRoles and the rules of admission; returns the function's name."""
    declared, cluster = HOSTING[PLACE], runtime.cluster.text("clusterName")
    secret = runtime.data.text("ledgerSecretArn")
    function = Function(
        PLACE,
        FunctionArgs(
            named=f"{runtime.context.prefix}-{PLACE}",
            handler=declared.handler,
            account=runtime.context.account,
            data_key_arn=runtime.stores.data_key_arn,
            logs_key_arn=runtime.stores.logs_key_arn,
            topic_arn=runtime.base.text("alertsTopicArn"),
            environment={
                "REWARDS_DATABASE_URL": runtime.database_url("ledgerEndpoint", declared.login),
                "PGSSLROOTCERT": "/var/task/app/rds-ca.pem",
                "DATABASE_ADMIN_ARN": secret,
                "CLUSTER": cluster,
            },
            may=[
                Allow(actions=["secretsmanager:GetSecretValue"], resources=[secret]),
                runtime.may_find_cluster(),
            ],
            vpc=vpc,
            seconds=declared.seconds,
            memory_mb=declared.memory_mb,
            version=runtime.delivered.versions.get(PLACE),
            signing=signing,
            after=[migration],
        ),
        runtime.opts,
    )
    aws.eks.AccessEntry(
        PLACE,
        cluster_name=cluster,
        principal_arn=function.role_arn,
        kubernetes_groups=[admission.PLACES],
        opts=runtime.context.opts,
    )
    _roles(runtime)
    admission.deploy(admission.PREVIEWS, runtime.opts)
    return function.function_name


def _roles(runtime: Runtime) -> None:
    binding = _rule(_RBAC, ["clusterroles"], ["bind"])
    binding["resource_names"] = ["previews"]
    kubernetes.rbac.v1.ClusterRole(
        "previews", metadata={"name": "previews"}, rules=[_rule(*rule) for rule in _BUILDS], opts=runtime.opts
    )
    placing = kubernetes.rbac.v1.ClusterRole(
        "preview-places",
        metadata={"name": "preview-places"},
        rules=[*(_rule(*rule) for rule in _PLACING), binding],
        opts=runtime.opts,
    )
    kubernetes.rbac.v1.ClusterRoleBinding(
        "preview-places",
        metadata={"name": "preview-places"},
        role_ref={"api_group": _RBAC, "kind": "ClusterRole", "name": placing.metadata.name.apply(str)},
        subjects=[{"api_group": _RBAC, "kind": "Group", "name": admission.PLACES}],
        opts=runtime.opts,
    )


def _rule(group: str, kinds: list[str], verbs: list[str]) -> kubernetes.rbac.v1.PolicyRuleArgsDict:
    return {"api_groups": [group], "resources": kinds, "verbs": verbs}
