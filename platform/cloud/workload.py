"""One service on Kubernetes: Deployment, autoscaler, disruption budget, network policy, and its own AWS role.

Pulumi owns the configuration, the pipeline owns the image from the first deployment on, the autoscaler the number of
pods: the fields of the last two are ignored here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from cloud import iam, pods
from cloud.component import Component
from cloud.iam import Allow
from cloud.pods import Size

_DNS, _HTTPS, _POD_IDENTITY = 53, 443, "169.254.170.23/32"
OWNED_BY_PIPELINE = "spec.template.spec.containers[0].image"
OWNED_BY_AUTOSCALER = "spec.replicas"


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """`zones`: over how many pods must spread. `port` None: nothing is served, and no one may connect.

    `callers`: the address range that may connect to the port (the load balancer's subnets). `egress_ports`: besides
    DNS and HTTPS. `may`: what its AWS role allows. `after`: what must have happened before pods roll.
    """

    namespace: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    account: pulumi.Input[str]
    image: pulumi.Input[str]
    command: Sequence[str]
    environment: Mapping[str, pulumi.Input[str]]
    replicas: tuple[int, int]
    zones: int
    may: Sequence[Allow]
    callers: pulumi.Input[str]
    port: int | None = None
    egress_ports: Sequence[int] = ()
    size: Size = field(default_factory=Size)
    awaited: bool = True
    boundary: pulumi.Input[str] | None = None
    after: Sequence[pulumi.Resource] = ()


class Workload(Component):
    service_name: pulumi.Output[str]
    role_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workload", name, opts)
        self._args, self._name = args, name
        self._labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "rewards"}
        self._meta: kubernetes.meta.v1.ObjectMetaArgsDict = {
            "name": name,
            "namespace": args.namespace,
            "labels": self._labels,
        }
        account = kubernetes.core.v1.ServiceAccount(
            name, metadata=self._meta, automount_service_account_token=False, opts=self.child
        )
        self.role_name = self._identity(account)
        deployment = self._deployment(account)
        self._autoscaler(deployment)
        self._budget()
        self._network_policy()
        self.service_name = self._service()
        self.publish()

    def _identity(self, account: kubernetes.core.v1.ServiceAccount) -> pulumi.Output[str]:
        args = self._args
        own = iam.role(self._name, self.child, assumed_by=iam.pods(args.account), may=args.may, boundary=args.boundary)
        aws.eks.PodIdentityAssociation(
            self._name,
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=account.metadata.name,
            role_arn=own.arn,
            opts=self.child,
        )
        return own.name

    def _deployment(self, account: kubernetes.core.v1.ServiceAccount) -> kubernetes.apps.v1.Deployment:
        args = self._args
        main = pods.container(
            self._name, image=args.image, command=args.command, environment=args.environment, size=args.size
        )
        # A worker runs while its standard input is open.
        main = pods.serving(main, args.port) if args.port else {**main, "stdin": True}
        spec: Any = {**pods.pod(account.metadata.name, [main]), **pods.spread(self._labels, args.zones)}
        meta = self._meta.copy()
        meta["annotations"] = pods.annotated(args.awaited)
        return kubernetes.apps.v1.Deployment(
            self._name,
            metadata=meta,
            spec={
                "replicas": args.replicas[0],
                "selector": {"match_labels": self._labels},
                "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": "34%", "max_unavailable": 0}},
                "template": {"metadata": {"labels": self._labels}, "spec": spec},
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(args.after),
                ignore_changes=[OWNED_BY_PIPELINE, OWNED_BY_AUTOSCALER],
            ),
        )

    def _autoscaler(self, deployment: kubernetes.apps.v1.Deployment) -> None:
        """Doubles within 15 seconds when a spike comes; shrinks only after five quiet minutes."""
        least, most = self._args.replicas
        kubernetes.autoscaling.v2.HorizontalPodAutoscaler(
            self._name,
            metadata=self._meta,
            spec={
                "scale_target_ref": {
                    "api_version": "apps/v1",
                    "kind": "Deployment",
                    "name": deployment.metadata.name,
                },
                "min_replicas": least,
                "max_replicas": most,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "average_utilization": 60}},
                    }
                ],
                "behavior": {
                    "scale_up": {
                        "stabilization_window_seconds": 0,
                        "policies": [{"type": "Percent", "value": 100, "period_seconds": 15}],
                    },
                    "scale_down": {"stabilization_window_seconds": 300},
                },
            },
            opts=self.child,
        )

    def _budget(self) -> None:
        """One pod at a time may be taken for a node's renewal."""
        kubernetes.policy.v1.PodDisruptionBudget(
            self._name,
            metadata=self._meta,
            spec={"max_unavailable": 1, "selector": {"match_labels": self._labels}},
            opts=self.child,
        )

    def _network_policy(self) -> None:
        args = self._args
        called: list[kubernetes.networking.v1.NetworkPolicyIngressRuleArgsDict] = [
            {"from_": [{"ip_block": {"cidr": args.callers}}], "ports": [{"protocol": "TCP", "port": args.port}]}
        ]
        dns: kubernetes.networking.v1.NetworkPolicyEgressRuleArgsDict = {
            "ports": [{"protocol": "UDP", "port": _DNS}, {"protocol": "TCP", "port": _DNS}]
        }
        kubernetes.networking.v1.NetworkPolicy(
            self._name,
            metadata=self._meta,
            spec={
                "pod_selector": {"match_labels": self._labels},
                "policy_types": ["Ingress", "Egress"],
                "ingress": called if args.port else [],
                "egress": [
                    dns,
                    {"ports": [{"protocol": "TCP", "port": port} for port in (_HTTPS, *args.egress_ports)]},
                    {"to": [{"ip_block": {"cidr": _POD_IDENTITY}}], "ports": [{"protocol": "TCP", "port": 80}]},
                ],
            },
            opts=self.child,
        )

    def _service(self) -> pulumi.Output[str]:
        if self._args.port is None:
            return pulumi.Output.from_input(self._name)
        service = kubernetes.core.v1.Service(
            self._name,
            metadata=self._meta,
            spec={
                "type": "ClusterIP",
                "selector": self._labels,
                "ports": [{"name": "http", "port": 80, "target_port": "http"}],
            },
            opts=self.child,
        )
        return service.metadata.name.apply(str)
