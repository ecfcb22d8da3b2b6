"""The component of one service on Kubernetes: Deployment, disruption budget, network policy and AWS role.

Pulumi sets the number of pods only at first and then ignores it, because the autoscaler changes it.
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

OWNED_BY_AUTOSCALER = "spec.replicas"


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """Settings of a service or worker on Kubernetes. It starts with `replicas` pods, spread over zones.

    A service answers requests at `port`; a worker has none, and answers probes at `vitals_port`. `callers` is the
    address range that may connect to either port. Pods may connect to `egress_ports` besides DNS and HTTPS. `may` are
    the AWS role's permissions. The Deployment is made after the resources in `after`.
    """

    namespace: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    account: pulumi.Input[str]
    image: pulumi.Input[str]
    command: Sequence[str]
    environment: Mapping[str, pulumi.Input[str]]
    replicas: int
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
        annotations = pods.annotated(args.awaited)
        self._awaited: kubernetes.meta.v1.ObjectMetaArgsDict = {**self._meta, "annotations": annotations}
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
        """Makes the Deployment after `identity`: a pod created before this association would never get the AWS role."""
        args = self._args
        main = pods.container(
            self._name, image=args.image, command=args.command, environment=args.environment, size=args.size
        )
        if args.port:
            main = pods.serving(main, args.port)
        elif args.vitals_port:
            main = pods.probed(main, args.vitals_port)
        spec: Any = {**pods.pod(account.metadata.name, [main]), **pods.spread(self._labels)}
        return kubernetes.apps.v1.Deployment(
            self._name,
            metadata=self._awaited,
            spec={
                "replicas": args.replicas,
                "selector": {"match_labels": self._labels},
                # No old pod stops until the load balancer's two checks (10 seconds apart) show a new one to be healthy.
                "min_ready_seconds": 15 if args.port else 0,
                "strategy": {"type": "RollingUpdate", "rolling_update": {"max_surge": "34%", "max_unavailable": 0}},
                "template": {"metadata": {"labels": self._labels}, "spec": spec},
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[identity, *args.after],
                ignore_changes=[OWNED_BY_AUTOSCALER],
            ),
        )

    def _budget(self) -> None:
        """Makes the pod disruption budget: when nodes are replaced, at most one pod at a time may be evicted.

        Pods that are not ready may always be evicted: otherwise, once all are unready, no node could be drained.
        """
        kubernetes.policy.v1.PodDisruptionBudget(
            self._name,
            metadata=self._meta,
            spec={
                "max_unavailable": 1,
                "selector": {"match_labels": self._labels},
                "unhealthy_pod_eviction_policy": "AlwaysAllow",
            },
            opts=self.child,
        )

    def _service(self) -> pulumi.Output[str]:
        if self._args.port is None:
            return pulumi.Output.from_input(self._name)
        service = kubernetes.core.v1.Service(
            self._name,
            metadata=self._awaited,  # else an update before the first delivery waits ten minutes for pods, and fails
            spec={
                "type": "ClusterIP",
                "selector": self._labels,
                "ports": [{"name": "http", "port": 80, "target_port": "http"}],
            },
            opts=self.child,
        )
        return service.metadata.name.apply(str)
