"""The cluster layer: EKS, and the load balancer with its firewall, certificate and DNS names."""

from cloud import ledger as aurora
from cloud import security_groups
from cloud.cluster import Cluster, ClusterArgs
from cloud.edge import Edge, EdgeArgs
from stacks.context import Context, Exports


def layer(context: Context) -> Exports:
    settings, base, data = context.settings, context.below("base"), context.below("data")
    zones = settings.zone_names
    cluster = Cluster(
        "cluster",
        ClusterArgs(
            name=context.prefix,
            version=settings.kubernetes_version,
            account=context.account,
            vpc_id=base.text("vpcId"),
            private_subnet_ids=list(base.by_zone("privateSubnetIds", zones).values()),
            secrets_key_arn=base.text("clusterKeyArn"),
            logs_key_arn=base.text("logsKeyArn"),
            endpoints_group_id=base.text("endpointsGroupId"),
            runner_group_id=base.text("runnerGroupId"),
            runner_role_arn=base.text("runnerRoleArn"),
            public_ranges=settings.cluster_public_ranges,
            admin_role_arns=settings.admin_role_arns,
            families=settings.node_families,
            spot=settings.node_spot,
            cpu_limit=settings.node_processors,
            protect=settings.deletion_protection,
        ),
        context.opts,
    )
    security_groups.allow(
        "pods-ledger", context.opts, client=cluster.group_id, server=data.text("ledgerGroupId"), port=aurora.PORT
    )
    edge = Edge(
        "edge",
        EdgeArgs(
            domain=settings.domain,
            zone_id=base.text("domainZoneId"),
            vpc_id=base.text("vpcId"),
            subnet_ids=list(base.by_zone("publicSubnetIds", zones).values()),
            pods_group_id=cluster.group_id,
            access_log_bucket=base.text("accessLogBucket"),
            logs_key_arn=base.text("logsKeyArn"),
            protect=settings.deletion_protection,
        ),
        context.opts,
    )
    return {
        "clusterName": cluster.cluster_name,
        "kubeconfig": cluster.kubeconfig,
        "podsGroupId": cluster.group_id,
        "listenerArn": edge.listener_arn,
        "loadBalancerSuffix": edge.load_balancer_suffix,
        "address": edge.address,
    }
