"""Policies that decide which Kubernetes objects are admitted into previews' namespaces.

The ClusterRole `previews` says which kinds of objects builds of pull requests may make there. These policies restrict
the objects' values, so that none can be reached from outside or gets requests meant for the environment itself.
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes


@dataclass(frozen=True)
class Admission:
    """A policy for one kind of object: an expression in CEL that must be true, and the message if it is not."""

    name: str
    group: str
    kind: str
    expression: str
    message: str


ADMISSIONS = (
    Admission(
        "preview-services",
        "",
        "services",
        "object.spec.type == 'ClusterIP' && (!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0)",
        "a preview's Service is of type ClusterIP and has no externalIPs",
    ),
    Admission(
        "preview-target-groups",
        "eks.amazonaws.com",
        "targetgroupbindings",
        "has(object.spec.targetGroupARN) && !has(object.spec.targetGroupName) && object.spec.targetGroupARN.matches("
        "'^arn:aws:elasticloadbalancing:[^:/]+:[0-9]+:targetgroup/rewards-' + request.namespace + '-[^/]+/[^/]+$')",
        "a preview's pods enter only target groups of the preview's name",
    ),
)


def deploy(opts: pulumi.ResourceOptions) -> None:
    """Makes the policies and binds them, so that Kubernetes refuses what they do not admit."""
    for admission in ADMISSIONS:
        policy = kubernetes.admissionregistration.v1.ValidatingAdmissionPolicy(
            admission.name,
            metadata={"name": admission.name},
            spec={
                "failure_policy": "Fail",
                "match_constraints": {
                    "resource_rules": [
                        {
                            "api_groups": [admission.group],
                            "api_versions": ["*"],
                            "operations": ["CREATE", "UPDATE"],
                            "resources": [admission.kind],
                        }
                    ]
                },
                "match_conditions": [{"name": "preview", "expression": "request.namespace.startsWith('pr-')"}],
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
