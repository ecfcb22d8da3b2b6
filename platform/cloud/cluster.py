"""A Kubernetes cluster whose nodes AWS manages: EKS in Auto Mode, private, on Graviton.

Controls: EKS.1 (private endpoint), EKS.2 (version), EKS.3 (secrets under a CMK), EKS.8 (all five logs); access by API
entries alone, deletion protection, zonal shift. Auto Mode brings CNI, DNS, disks, load balancing and Pod Identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks
import pulumi_kubernetes as kubernetes

from cloud import iam, logs, security_groups
from cloud.component import Component
from cloud.pod_logs import PodLogs, PodLogsArgs

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_WATCHER = "cloudwatch-agent"
_NODES = "private"  # the node class; `default` is EKS's own


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """Settings of an EKS cluster. Its API is public for the address ranges `public_ranges`; without any, it is private.

    Nodes are Graviton instances of `families` (t, c, m, r), at most `cpu_limit` vCPUs in all; `spot` prefers Spot. Each
    has a disk of `disk_gib` GiB for images (up to 3), logs and pods' temporary files: 30 is enough for all that the 31
    pods of a 2xlarge may write. Karpenter counts disks too: on larger nodes pods would run out of disk first.
    CodeBuild projects in the security group `runner_group_id` reach the API. The roles `runner_role_arn` and
    `admin_role_arns` administer Kubernetes; the role that creates the cluster gets no access by creating it.
    """

    name: str
    version: str
    account: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    private_subnet_ids: Sequence[pulumi.Input[str]]
    secrets_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    endpoints_group_id: pulumi.Input[str]
    runner_group_id: pulumi.Input[str]
    runner_role_arn: pulumi.Input[str]
    public_ranges: Sequence[str] = ()
    admin_role_arns: Sequence[str] = ()
    families: Sequence[str] = ("c", "m", "r")
    spot: bool = False
    cpu_limit: int = 200
    disk_gib: int = 30
    protect: bool = True


class Cluster(Component):
    """An EKS cluster. `group_id` is the security group of its nodes and pods; `kubeconfig` holds no secret."""

    cluster_name: pulumi.Output[str]
    group_id: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cluster", name, opts)
        self._args = args
        cluster = self._cluster(name)
        self.cluster_name = pulumi.Output.from_input(args.name)
        self.group_id = cluster.cluster_security_group_id
        self.kubeconfig = cluster.kubeconfig_json
        pulling = security_groups.allow(
            f"{name}-endpoints", self.child, client=self.group_id, server=args.endpoints_group_id, port=443
        )
        self._add_ons(name, pulumi.ResourceOptions(parent=self, depends_on=[cluster, *pulling]))
        self._inside(name, cluster, self._admit_runner(name, cluster))
        self.publish()

    def _cluster(self, name: str) -> eks.Cluster:
        args = self._args
        admins = {arn.rsplit("/", 1)[-1]: _admin(arn) for arn in args.admin_role_arns}
        # Made before the cluster: EKS would make it unencrypted and without retention.
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
            # The `system` pool for add-ons; ours for pods comes below. With a built-in pool, EKS makes the access entry
            # of the nodes' role.
            # CKV2_AWS_5: with Auto Mode pulumi_eks makes no nodeSecurityGroup; nodes are in the cluster's own group.
            auto_mode={"enabled": True, "compute_config": {"node_pools": ["system"]}},
            authentication_mode=eks.AuthenticationMode.API,
            access_entries=admins,
            endpoint_private_access=True,
            endpoint_public_access=bool(args.public_ranges),
            public_access_cidrs=list(args.public_ranges) or None,
            enabled_cluster_log_types=list(LOG_TYPES),
            encryption_config_key_arn=args.secrets_key_arn,
            deletion_protection=args.protect,
            # Extended support, the default, costs six times as much after 14 months.
            upgrade_policy={"support_type": "STANDARD"},
            create_oidc_provider=False,  # pods get their roles by Pod Identity
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, depends_on=[group], transforms=[unoffered]),
        )

    def _add_ons(self, name: str, ready: pulumi.ResourceOptions) -> None:
        """Installs the add-ons for pods' logs, and for the metrics that the autoscaler and the dashboard read.

        metrics-server calls nodes on port 10250, and Kubernetes' API calls metrics-server on 10251. Neither port needs
        a rule: control plane, nodes and pods share the cluster's security group, which admits its own members on every
        port, and kube-system has no NetworkPolicy.
        """
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

    def _admit_runner(self, name: str, cluster: eks.Cluster) -> list[pulumi.Resource]:
        """Lets CodeBuild administer Kubernetes; returns the rules and access entries that it needs to connect."""
        args, after = self._args, pulumi.ResourceOptions(parent=self, depends_on=[cluster])
        rules = security_groups.allow(
            f"{name}-runner", self.child, client=args.runner_group_id, server=self.group_id, port=443
        )
        entry = aws.eks.AccessEntry(
            f"{name}-runner", cluster_name=args.name, principal_arn=args.runner_role_arn, opts=after
        )
        admin = aws.eks.AccessPolicyAssociation(
            f"{name}-runner",
            cluster_name=args.name,
            principal_arn=entry.principal_arn,
            policy_arn=_ADMIN_POLICY,
            access_scope={"type": "cluster"},
            opts=after,
        )
        return [*rules, entry, admin]

    def _inside(self, name: str, cluster: eks.Cluster, admitting: Sequence[pulumi.Resource]) -> None:
        provider = kubernetes.Provider(
            name,
            kubeconfig=self.kubeconfig,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[cluster, *admitting]),
        )
        inside = pulumi.ResourceOptions(parent=self, provider=provider)
        # Auto Mode's CNI enforces NetworkPolicies once it is told to.
        kubernetes.core.v1.ConfigMapPatch(
            f"{name}-network-policies",
            metadata={"name": "amazon-vpc-cni", "namespace": "kube-system"},
            data={"enable-network-policy-controller": "true"},
            opts=inside,
        )
        nodes = kubernetes.apiextensions.CustomResource(
            f"{name}-nodes",
            api_version="eks.amazonaws.com/v1",
            kind="NodeClass",
            metadata={"name": _NODES},
            spec=self._node_class(cluster),
            opts=inside,
        )
        kubernetes.apiextensions.CustomResource(
            f"{name}-graviton",
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata={"name": "graviton"},
            spec=_node_pool(self._args),
            opts=pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[nodes])),
        )

    def _node_class(self, cluster: eks.Cluster) -> dict[str, object]:
        """Returns the spec of a node class like EKS's own, except that nodes' disks are not of 80 GiB.

        Auto Mode encrypts nodes' disks under AWS's key for EBS; nothing of the business lies on them.
        docs.aws.amazon.com/eks/latest/userguide/create-node-class.html
        """
        return {
            "role": cluster.auto_mode_node_role_name,
            "subnetSelectorTerms": [{"id": subnet} for subnet in self._args.private_subnet_ids],
            "securityGroupSelectorTerms": [{"id": self.group_id}],
            "ephemeralStorage": {"size": f"{self._args.disk_gib}Gi"},
        }


def unoffered(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    """Changes inputs that pulumi_eks doesn't offer: turns zonal shift on, and the creator's admin access off.

    This is a Pulumi transform. AWS's access entry for the creator would clash with the one that we make for the runner,
    often the creator.
    """
    if args.type_ != "aws:eks/cluster:Cluster":
        return None
    access: Any = args.props.get("accessConfig", {})
    nobodys = {**access, "bootstrapClusterCreatorAdminPermissions": False}
    props = {**args.props, "zonalShiftConfig": {"enabled": True}, "accessConfig": nobodys}
    return pulumi.ResourceTransformResult(props, args.opts)


def _admin(arn: str) -> eks.AccessEntryArgs:
    everywhere = aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster")
    policy = eks.AccessPolicyAssociationArgs(policy_arn=_ADMIN_POLICY, access_scope=everywhere)
    return eks.AccessEntryArgs(principal_arn=arn, access_policies={"admin": policy})


def _node_pool(args: ClusterArgs) -> dict[str, object]:
    """Returns Karpenter's spec of a node pool: EC2 instances of generation 6 or later, or 4 or later with family t."""

    def among(key: str, operator: str, *values: str) -> dict[str, object]:
        return {"key": key, "operator": operator, "values": list(values)}

    node = {
        "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": _NODES},
        "requirements": [
            among("kubernetes.io/arch", "In", "arm64"),
            among("karpenter.sh/capacity-type", "In", *(["spot"] if args.spot else []), "on-demand"),
            among("eks.amazonaws.com/instance-category", "In", *args.families),
            among("eks.amazonaws.com/instance-generation", "Gt", "3" if "t" in args.families else "5"),
        ],
        "expireAfter": "336h",  # Auto Mode replaces nodes after 21 days at the latest; ours after 14
    }
    return {
        "template": {"spec": node},
        "weight": 10,  # before the built-in `system` pool: add-ons move to these nodes, and the pool's own go
        "limits": {"cpu": str(args.cpu_limit)},
        "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "5m"},
    }
