"""Lets the function `cluster-care` look after the cluster's pods: its group in Kubernetes, and who notices if it stops.

It may read nodes and pods, evict pods of this namespace, and change the minima of its autoscalers (stacks.admission).
"""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from app.processes import CARE, CARING
from cloud import security_groups
from cloud.alarm import Threshold, alarm
from cloud.function import Function, Vpc
from cloud.iam import Allow
from stacks import admission
from stacks.runtime import Runtime, Text

_RBAC = "rbac.authorization.k8s.io"
_READS = (("", ["nodes", "pods"], ["list"]),)
_CHANGES = (
    ("", ["pods/eviction"], ["create"]),
    ("apps", ["deployments"], ["list"]),
    ("autoscaling", ["horizontalpodautoscalers"], ["list", "patch"]),
)


def variables(runtime: Runtime) -> dict[str, Text]:
    """Returns the function's environment variables."""
    return {
        "CLUSTER": runtime.cluster.text("clusterName"),
        "NAMESPACE": runtime.namespace,
        "FLOORS": runtime.context.settings.floors_parameter,
    }


def permissions(runtime: Runtime) -> list[Allow]:
    """Returns the function's permissions in AWS."""
    return [runtime.may_find_cluster(), Allow(actions=["ssm:GetParameter"], resources=[floors_arn(runtime)])]


def floors_arn(runtime: Runtime) -> pulumi.Output[str]:
    """Returns the ARN of the parameter of planned floors, which `announced-floors` makes with its first call."""
    settings, account = runtime.context.settings, runtime.context.account
    return pulumi.Output.concat(f"arn:aws:ssm:{settings.region}:", account, f":parameter{settings.floors_parameter}")


def deploy(runtime: Runtime, vpc: Vpc, function: Function) -> None:
    """Makes the function's way to the cluster, what it may do there, and the alarm."""
    cluster, opts = runtime.cluster.text("clusterName"), runtime.context.opts
    server = runtime.cluster.text("podsGroupId")
    security_groups.allow("functions-cluster", opts, client=vpc.group_id, server=server, port=443)
    aws.eks.AccessEntry(
        CARE, cluster_name=cluster, principal_arn=function.role_arn, kubernetes_groups=[CARING], opts=opts
    )
    _roles(runtime)
    admission.deploy(admission.CARED, runtime.opts)
    if runtime.functions_run:
        _alarm(runtime, function)


def _alarm(runtime: Runtime, function: Function) -> None:
    alarm(
        f"{CARE}-stopped",
        runtime.context.opts,
        namespace="AWS/Lambda",
        metric="Errors",
        dimensions={"FunctionName": function.function_name},
        threshold=Threshold(over=4, seconds=300, periods=2, silence="breaching"),
        topic_arn=runtime.base.text("alertsTopicArn"),
        about="Pods are not looked after: all calls of ten minutes failed, or there were none",
    )


def _roles(runtime: Runtime) -> None:
    opts = runtime.opts
    reads = kubernetes.rbac.v1.ClusterRole(CARE, metadata={"name": CARE}, rules=_rules(_READS), opts=opts)
    changes = kubernetes.rbac.v1.Role(
        CARE, metadata={"name": CARE, "namespace": runtime.namespace}, rules=_rules(_CHANGES), opts=opts
    )
    subject: kubernetes.rbac.v1.SubjectArgsDict = {"api_group": _RBAC, "kind": "Group", "name": CARING}
    kubernetes.rbac.v1.ClusterRoleBinding(
        CARE,
        metadata={"name": CARE},
        role_ref={"api_group": _RBAC, "kind": "ClusterRole", "name": reads.metadata.name.apply(str)},
        subjects=[subject],
        opts=opts,
    )
    kubernetes.rbac.v1.RoleBinding(
        CARE,
        metadata={"name": CARE, "namespace": runtime.namespace},
        role_ref={"api_group": _RBAC, "kind": "Role", "name": changes.metadata.name.apply(str)},
        subjects=[subject],
        opts=opts,
    )


def _rules(
    rules: tuple[tuple[str, list[str], list[str]], ...],
) -> list[kubernetes.rbac.v1.PolicyRuleArgsDict]:
    return [{"api_groups": [group], "resources": kinds, "verbs": verbs} for group, kinds, verbs in rules]
