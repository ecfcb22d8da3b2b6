"""Scales pods by CPU, and by the requests that the load balancer counts for a service.

Kubernetes' own autoscaler (HPA) knows only CPU and memory; for requests it needs a server of the external metrics API.
EKS offers no add-on for that, and only the load balancer counts every request whatever the pods do, so KEDA reads its
count from CloudWatch and maintains the HPA. That count is one to two minutes old: CPU answers a spike within seconds,
requests add pods where waiting for the database keeps CPU low, and keep them while load lasts. If KEDA fails, its HPA
stays and scales by CPU, upwards only.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow

# KEDA supports three versions of Kubernetes at a time: look at its table with every upgrade of the cluster.
KEDA = "2.19.0"
_CHARTS = "https://kedacore.github.io/charts"
_ACCOUNT, _SIGHT = "keda-operator", "cloudwatch"  # the first is the chart's
# An order costs about 4 ms of CPU: 33 a second are half of what a pod asks for (250m).
REQUESTS_A_MINUTE = 2_000
CPU_PERCENT = 60


@dataclass(frozen=True, kw_only=True)
class RequestMetricsArgs:
    cluster_name: pulumi.Input[str]
    account: pulumi.Input[str]


class RequestMetrics(Component):
    """KEDA, once for each cluster, with a role that may only read metrics. Its images come from ghcr.io."""

    version: pulumi.Output[str]

    def __init__(self, name: str, args: RequestMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("autoscaler", name, opts)
        namespace = kubernetes.core.v1.Namespace(name, metadata={"name": "keda"}, opts=self.child)
        reader = iam.role(
            name,
            self.child,
            assumed_by=iam.pods(args.account),
            may=[Allow(actions=["cloudwatch:GetMetricData"], resources=["*"])],  # AWS scopes it to no resource
        )
        identity = aws.eks.PodIdentityAssociation(
            name,
            cluster_name=args.cluster_name,
            namespace=namespace.metadata.name.apply(str),
            service_account=_ACCOUNT,
            role_arn=reader.arn,
            opts=self.child,
        )
        release = kubernetes.helm.v3.Release(
            name,
            name="keda",
            chart="keda",
            version=KEDA,
            repository_opts={"repo": _CHARTS},
            namespace=namespace.metadata.name.apply(str),
            atomic=True,
            values={part: {"replicaCount": 2} for part in ("operator", "metricsServer", "webhooks")},
            # A pod gets its role as it is made: the association must be there first.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[identity]),
        )
        kubernetes.apiextensions.CustomResource(
            name,
            api_version="keda.sh/v1alpha1",
            kind="ClusterTriggerAuthentication",
            metadata={"name": _SIGHT},
            spec={"podIdentity": {"provider": "aws"}},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[release]),
        )
        self.version = pulumi.Output.from_input(KEDA)
        self.publish()


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Identifies a service's requests: the ARN suffixes of the load balancer and of the service's target group."""

    balancer: pulumi.Input[str]
    target_group: pulumi.Input[str]
    region: str


@dataclass(frozen=True, kw_only=True)
class AutoscalerArgs:
    """`replicas` are minimum and maximum. Without `requests`, only CPU scales."""

    namespace: pulumi.Input[str]
    deployment: pulumi.Input[str]
    replicas: tuple[int, int]
    requests: Requests | None = None


class Autoscaler(Component):
    """Doubles the pods within 15 seconds of a spike; removes pods only after five quiet minutes."""

    scaled: pulumi.Output[str]

    def __init__(self, name: str, args: AutoscalerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("autoscaler", name, opts)
        least, most = args.replicas
        kubernetes.apiextensions.CustomResource(
            name,
            api_version="keda.sh/v1alpha1",
            kind="ScaledObject",
            metadata={"name": name, "namespace": args.namespace},
            spec={
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": args.deployment},
                "minReplicaCount": least,
                "maxReplicaCount": most,
                "pollingInterval": 30,  # seconds; CloudWatch has a new value each minute
                "advanced": {"horizontalPodAutoscalerConfig": {"name": name, "behavior": _BEHAVIOR}},
                "triggers": [_CPU, *([_counted(args.requests)] if args.requests else [])],
            },
            opts=self.child,
        )
        self.scaled = pulumi.Output.from_input(args.deployment)
        self.publish()


_CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": str(CPU_PERCENT)}}
_BEHAVIOR = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    },
    "scaleDown": {"stabilizationWindowSeconds": 300},
}


def _counted(requests: Requests) -> dict[str, object]:
    """A trigger on the requests of the last full minute, divided by the number of pods."""
    return {
        "type": "aws-cloudwatch",
        "metricType": "AverageValue",
        "metadata": {
            "awsRegion": requests.region,
            "namespace": "AWS/ApplicationELB",
            "metricName": "RequestCount",
            "dimensionName": "LoadBalancer;TargetGroup",
            "dimensionValue": pulumi.Output.concat(requests.balancer, ";", requests.target_group),
            "metricStat": "Sum",
            "metricStatPeriod": "60",
            "metricCollectionTime": "300",
            "metricEndTimeOffset": "60",
            "targetMetricValue": str(REQUESTS_A_MINUTE),
            "minMetricValue": "0",
            "ignoreNullValues": "true",  # no requests are no data
        },
        "authenticationRef": {"name": _SIGHT, "kind": "ClusterTriggerAuthentication"},
    }
