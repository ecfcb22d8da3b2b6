"""A Kubernetes cluster whose nodes AWS manages: EKS in Auto Mode, private, on Graviton.

Controls: EKS.1 (private endpoint), EKS.2 (version), EKS.3 (secrets under a CMK), EKS.8 (all five logs); access by API
entries alone, deletion protection, zonal shift. Auto Mode brings CNI, DNS, disks, load balancing and Pod Identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks
import pulumi_kubernetes as kubernetes

from cloud import firewall, iam, logs
from cloud.autoscaler import RequestMetrics, RequestMetricsArgs
from cloud.component import Component
from cloud.pod_logs import PodLogs, PodLogsArgs

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_WATCHER = "cloudwatch-agent"


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """Pods' identities and load balancers refer to the physical `name`. Empty `public_ranges` mean a private API.

    `cpu_limit` is the number of vCPUs of all nodes together: the limit of a runaway autoscaler.
    """

    name: str
    version: str
    account: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    private_subnet_ids: Sequence[pulumi.Input[str]]
    secrets_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    endpoints_group_id: pulumi.Input[str]
    public_ranges: Sequence[str] = ()
    admin_role_arns: Sequence[str] = ()
    cpu_limit: int = 200
    protect: bool = True


class Cluster(Component):
    """`group_id` is the security group of all nodes and pods. `kubeconfig` holds no secret: it asks AWS for a token."""

    cluster_name: pulumi.Output[str]
    group_id: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cluster", name, opts)
        self._args = args
        cluster = self._cluster(name)
        ready = pulumi.ResourceOptions(parent=self, depends_on=[cluster])
        self.cluster_name = pulumi.Output.from_input(args.name)
        self.group_id = cluster.cluster_security_group_id
        self.kubeconfig = cluster.kubeconfig_json
        firewall.allow(f"{name}-endpoints", self.child, client=self.group_id, server=args.endpoints_group_id, port=443)
        self._add_ons(name, ready)
        self._inside(name, cluster)
        self.publish()

    def _cluster(self, name: str) -> eks.Cluster:
        args = self._args
        admins = {arn.rsplit("/", 1)[-1]: _admin(arn) for arn in args.admin_role_arns}
        # Otherwise EKS makes it, unencrypted and without an end.
        group = logs.log_group(
            f"{name}-control-plane", self.child, key_arn=args.logs_key_arn, named=f"/aws/eks/{args.name}/cluster"
        )
        return eks.Cluster(
            name,
            name=args.name,
            version=args.version,
            vpc_id=args.vpc_id,
            # Auto Mode puts nodes into whichever subnets the cluster knows: private ones only.
            private_subnet_ids=list(args.private_subnet_ids),
            # The `system` pool for add-ons; ours for pods comes below, on the node class that this one brings.
            auto_mode={"enabled": True, "compute_config": {"node_pools": ["system"]}},
            authentication_mode=eks.AuthenticationMode.API,
            access_entries=admins,
            endpoint_private_access=True,
            endpoint_public_access=bool(args.public_ranges),
            public_access_cidrs=list(args.public_ranges) or None,
            enabled_cluster_log_types=list(LOG_TYPES),
            encryption_config_key_arn=args.secrets_key_arn,
            deletion_protection=args.protect,
            upgrade_policy={
                "support_type": "STANDARD"
            },  # extended support, the default, costs six times as much after 14 months
            create_oidc_provider=False,  # pods get their roles by Pod Identity
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, depends_on=[group], transforms=[zonal_shift]
            ),
        )

    def _add_ons(self, name: str, ready: pulumi.ResourceOptions) -> None:
        """The metrics that the horizontal autoscaler and the dashboard read."""
        aws.eks.Addon(f"{name}-metrics", cluster_name=self._args.name, addon_name="metrics-server", opts=ready)
        printed = PodLogs(
            f"{name}-pods", PodLogsArgs(cluster_name=self._args.name, logs_key_arn=self._args.logs_key_arn), self.child
        )
        watcher = iam.role(
            f"{name}-watcher",
            self.child,
            assumed_by=iam.pods(self._args.account),
            managed=[
                "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy",
                "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
            ],
        )
        aws.eks.Addon(
            f"{name}-cloudwatch",
            cluster_name=self._args.name,
            addon_name="amazon-cloudwatch-observability",
            pod_identity_associations=[{"role_arn": watcher.arn, "service_account": _WATCHER}],
            opts=pulumi.ResourceOptions.merge(ready, pulumi.ResourceOptions(depends_on=list(printed.groups))),
        )

    def _inside(self, name: str, cluster: eks.Cluster) -> None:
        provider = kubernetes.Provider(
            name, kubeconfig=self.kubeconfig, opts=pulumi.ResourceOptions(parent=self, depends_on=[cluster])
        )
        inside = pulumi.ResourceOptions(parent=self, provider=provider)
        # Auto Mode's CNI enforces NetworkPolicies once it is told to.
        kubernetes.core.v1.ConfigMapPatch(
            f"{name}-network-policies",
            metadata={"name": "amazon-vpc-cni", "namespace": "kube-system"},
            data={"enable-network-policy-controller": "true"},
            opts=inside,
        )
        kubernetes.apiextensions.CustomResource(
            f"{name}-graviton",
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata={"name": "graviton"},
            spec=_node_pool(self._args.cpu_limit),
            opts=inside,
        )
        RequestMetrics(
            f"{name}-requests",
            RequestMetricsArgs(cluster_name=self._args.name, account=self._args.account),
            pulumi.ResourceOptions(parent=self, providers=[provider]),
        )


def zonal_shift(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """Lets AWS (or us) move traffic out of a failing zone; pulumi_eks has no argument for it."""
    if args.type_ != "aws:eks/cluster:Cluster":
        return None
    return pulumi.ResourceTransformResult({**args.props, "zonalShiftConfig": {"enabled": True}}, args.opts)


def _admin(arn: str) -> eks.AccessEntryArgs:
    everywhere = aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster")
    policy = eks.AccessPolicyAssociationArgs(policy_arn=_ADMIN_POLICY, access_scope=everywhere)
    return eks.AccessEntryArgs(principal_arn=arn, access_policies={"admin": policy})


def _node_pool(cpu_limit: int) -> dict[str, object]:
    """Graviton, on demand: compute, general or memory families of the sixth generation or later."""

    def among(key: str, operator: str, *values: str) -> dict[str, object]:
        return {"key": key, "operator": operator, "values": list(values)}

    node = {
        "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "default"},
        "requirements": [
            among("kubernetes.io/arch", "In", "arm64"),
            among("karpenter.sh/capacity-type", "In", "on-demand"),
            among("eks.amazonaws.com/instance-category", "In", "c", "m", "r"),
            among("eks.amazonaws.com/instance-generation", "Gt", "5"),
        ],
        "expireAfter": "336h",  # Auto Mode replaces nodes after 21 days at the latest; ours after 14
    }
    return {
        "template": {"spec": node},
        "limits": {"cpu": str(cpu_limit)},
        "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "5m"},
    }
