"""Policies that decide which Kubernetes objects are admitted: in previews' namespaces, and of our own functions.

The ClusterRole `previews` says which kinds of objects builds of pull requests may make there. These policies restrict
the objects' values, so that none can be reached from outside or gets requests meant for the environment itself. Others
restrict the names of namespaces that dev's function `preview-place` may make, delete, and let builds into, and what the
function `cluster-care` may change of an autoscaler.
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from app.processes import CARING

PLACES = "rewards:preview-places"
"""The Kubernetes group of the function that makes namespaces and lets previews' builds into them."""
_WRITES = ("CREATE", "UPDATE")
_IN_A_PREVIEW = "request.namespace.startsWith('pr-')"


@dataclass(frozen=True)
class Admission:
    """A policy: an expression in CEL that must be true, and the message if it is not.

    It judges operations on kinds of an API group (`judged`), if the expression `when` is true.
    """

    name: str
    judged: tuple[tuple[str, str, tuple[str, ...]], ...]
    expression: str
    message: str
    when: str = _IN_A_PREVIEW


PREVIEWS = (
    Admission(
        "preview-services",
        (("", "services", _WRITES),),
        "object.spec.type == 'ClusterIP' && (!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0)",
        "a preview's Service is of type ClusterIP and has no externalIPs",
    ),
    Admission(
        "preview-target-groups",
        (("eks.amazonaws.com", "targetgroupbindings", _WRITES),),
        "has(object.spec.targetGroupARN) && !has(object.spec.targetGroupName) && object.spec.targetGroupARN.matches("
        "'^arn:aws:elasticloadbalancing:[^:/]+:[0-9]+:targetgroup/rewards-' + request.namespace + '-[^/]+/[^/]+$')",
        "a preview's pods enter only target groups of the preview's name",
    ),
    Admission(
        "preview-places",
        (
            ("", "namespaces", ("CREATE", "DELETE")),
            ("", "resourcequotas", ("CREATE",)),
            ("rbac.authorization.k8s.io", "rolebindings", ("CREATE",)),
        ),
        "(request.resource.resource == 'namespaces' ? request.name : request.namespace).matches('^pr-[1-9][0-9]*$')",
        "only previews' namespaces are made, deleted, and builds let into",
        when=f"'{PLACES}' in request.userInfo.groups",
    ),
)


CARED = (
    Admission(
        "cluster-care",
        (("autoscaling", "horizontalpodautoscalers", ("UPDATE",)),),
        "has(object.spec.minReplicas) && object.spec.minReplicas >= 1 && "
        "object.spec.scaleTargetRef == oldObject.spec.scaleTargetRef && "
        "object.spec.maxReplicas == oldObject.spec.maxReplicas && "
        "object.spec.metrics == oldObject.spec.metrics && object.spec.behavior == oldObject.spec.behavior && "
        "object.metadata.annotations == oldObject.metadata.annotations",
        "the function cluster-care changes an autoscaler's minimum alone",
        when=f"'{CARING}' in request.userInfo.groups",
    ),
)


def deploy(admissions: Sequence[Admission], opts: pulumi.ResourceOptions) -> None:
    """Makes policies and binds them, so that Kubernetes refuses what they do not admit."""
    for admission in admissions:
        policy = kubernetes.admissionregistration.v1.ValidatingAdmissionPolicy(
            admission.name,
            metadata={"name": admission.name},
            spec={
                "failure_policy": "Fail",
                "match_constraints": {
                    "resource_rules": [
                        {
                            "api_groups": [group],
                            "api_versions": ["*"],
                            "operations": list(operations),
                            "resources": [kind],
                        }
                        for group, kind, operations in admission.judged
                    ]
                },
                "match_conditions": [{"name": "judged", "expression": admission.when}],
                "validations": [{"expression": admission.expression, "message": admission.message}],
            },
            opts=opts,
        )
        kubernetes.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
            admission.name,
            metadata={"name": admission.name},
            spec={"policy_name": policy.metadata.name.apply(str), "validation_actions": ["Deny"]},
            opts=opts,
        )
