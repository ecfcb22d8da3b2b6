"""Scales a Deployment's number of pods by their CPU use, with Kubernetes' horizontal pod autoscaler (HPA).

EKS's metrics-server add-on (see cloud.cluster) reports CPU use every 15 seconds. Until new pods are ready, the
application refuses requests in excess of its capacity. docs/decisions/scaling.md says why nothing else scales.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from cloud.component import Component

CPU_PERCENT = 60
"""Average use of the requested CPU above which pods are added."""
BEHAVIOR: kubernetes.autoscaling.v2.HorizontalPodAutoscalerBehaviorArgsDict = {
    # Up to five times as many pods every 15 seconds: once nodes are full, pods can't use what they lack, and are no
    # measure of it any more.
    "scale_up": {
        "stabilization_window_seconds": 0,
        "policies": [{"type": "Percent", "value": 400, "period_seconds": 15}],
    },
    # After five quiet minutes at most a quarter of the pods go each minute.
    "scale_down": {
        "stabilization_window_seconds": 300,
        "policies": [{"type": "Percent", "value": 25, "period_seconds": 60}],
    },
}


@dataclass(frozen=True, kw_only=True)
class AutoscalerArgs:
    """Settings of a Deployment's autoscaler; `replicas` are the minimum and maximum number of pods.

    If something else may raise the minimum for a time, `noted` is the annotation that tells it the usual one; Pulumi
    then sets the minimum of a new autoscaler only.
    """

    namespace: pulumi.Input[str]
    deployment: pulumi.Input[str]
    replicas: tuple[int, int]
    noted: str | None = None


class Autoscaler(Component):
    """Scales a Deployment: checks its pods' CPU use every 15 seconds, removes pods after five minutes of low use."""

    scaled: pulumi.Output[str]

    def __init__(self, name: str, args: AutoscalerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("autoscaler", name, opts)
        least, most = args.replicas
        kubernetes.autoscaling.v2.HorizontalPodAutoscaler(
            name,
            metadata={
                "name": name,
                "namespace": args.namespace,
                "annotations": {args.noted: str(least)} if args.noted else {},
            },
            spec={
                "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": args.deployment},
                "min_replicas": least,
                "max_replicas": most,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "average_utilization": CPU_PERCENT},
                        },
                    }
                ],
                "behavior": BEHAVIOR,
            },
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["spec.minReplicas"] if args.noted else []),
        )
        self.scaled = pulumi.Output.from_input(args.deployment)
        self.publish()
