"""One service on Kubernetes: Deployment, disruption budget, network policy, and its own AWS role.

Pulumi owns the configuration, the pipeline the image after the first deployment, and the autoscaler the number of pods:
Pulumi ignores changes of the last two.
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

OWNED_BY_PIPELINE = "spec.template.spec.containers[0].image"
OWNED_BY_AUTOSCALER = "spec.replicas"


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """`replicas` are the first deployment's, later the autoscaler's; the pods spread over `zones` zones.

    `port` is a service's behind the load balancer; None serves nothing. `vitals_port` is where a worker answers probes
    and collectors. `callers` is the address range that may connect to either (the VPC's). `egress_ports` add to DNS and
    HTTPS. `may` is what the AWS role allows. Pods roll after the resources in `after`.
    """

    namespace: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    account: pulumi.Input[str]
    image: pulumi.Input[str]
    command: Sequence[str]
    environment: Mapping[str, pulumi.Input[str]]
    replicas: int
    zones: int
    may: Sequence[Allow]
    callers: pulumi.Input[str]
    port: int | None = None
    vitals_port: int | None = None
    egress_ports: Sequence[int] = ()
    size: Size = field(default_factory=Size)
    awaited: bool = True
    boundary: pulumi.Input[str] | None = None
    after: Sequence[pulumi.Resource] = ()


class Workload(Component):
    deployment_name: pulumi.Output[str]
    service_name: pulumi.Output[str]

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
        deployment = self._deployment(account, self._identity(account))
        self._budget()
        port = args.port or args.vitals_port
        pods.network_policy(
            name,
            self.child,
            namespace=args.namespace,
            selector=self._labels,
            egress_ports=args.egress_ports,
            served=(args.callers, port) if port else None,
        )
        self.deployment_name = deployment.metadata.name.apply(str)
        self.service_name = self._service()
        self.publish()

    def _identity(self, account: kubernetes.core.v1.ServiceAccount) -> aws.eks.PodIdentityAssociation:
        args = self._args
        own = iam.role(self._name, self.child, assumed_by=iam.pods(args.account), may=args.may, boundary=args.boundary)
        return aws.eks.PodIdentityAssociation(
            self._name,
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=account.metadata.name,
            role_arn=own.arn,
            opts=self.child,
        )

    def _deployment(
        self, account: kubernetes.core.v1.ServiceAccount, identity: aws.eks.PodIdentityAssociation
    ) -> kubernetes.apps.v1.Deployment:
        """Depends on the identity: a pod that is created before the association never gets the role."""
        args = self._args
        main = pods.container(
            self._name, image=args.image, command=args.command, environment=args.environment, size=args.size
        )
        if args.port:
            main = pods.serving(main, args.port)
        elif args.vitals_port:
            main = pods.probed(main, args.vitals_port)
        spec: Any = {**pods.pod(account.metadata.name, [main]), **pods.spread(self._labels, args.zones)}
        meta = self._meta.copy()
        meta["annotations"] = pods.annotated(args.awaited)
        return kubernetes.apps.v1.Deployment(
            self._name,
            metadata=meta,
            spec={
                "replicas": args.replicas,
                "selector": {"match_labels": self._labels},
                # Until the load balancer has found a new pod healthy (twice 10 seconds), no old one goes.
                "min_ready_seconds": 30 if args.port else 0,
                "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": "34%", "max_unavailable": 0}},
                "template": {"metadata": {"labels": self._labels}, "spec": spec},
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[identity, *args.after],
                ignore_changes=[OWNED_BY_PIPELINE, OWNED_BY_AUTOSCALER],
            ),
        )

    def _budget(self) -> None:
        """When nodes are replaced, at most one pod at a time may be evicted."""
        kubernetes.policy.v1.PodDisruptionBudget(
            self._name,
            metadata=self._meta,
            spec={"max_unavailable": 1, "selector": {"match_labels": self._labels}},
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
