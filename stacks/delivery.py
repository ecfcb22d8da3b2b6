"""The delivery layer: an environment's builds and roles and, where settings say so, the pipelines themselves.

Each environment has this stack, in its own account. The pipelines that promote are in prod's account: changing what
goes to prod takes prod's rights. The pipelines for pull requests are in dev's account, where unreviewed code can reach
nothing else. A person deploys this layer: a pipeline that could change its own roles would have no limits.
"""

import pulumi

from app.processes import FUNCTIONS, SERVICES
from cloud import firewall
from pipelines import functions, platform, pods
from pipelines.artifacts import Artifacts, ArtifactsArgs, Store, prefix
from pipelines.builds import Inside
from pipelines.delivering import account_of
from pipelines.home import Home
from pipelines.previews import Previews, PreviewsArgs
from pipelines.promotion import Promoted, Promotion, PromotionArgs
from pipelines.receiver import Environment, Receiver, ReceiverArgs
from pipelines.source import Source, SourceArgs
from pipelines.target import Target
from stacks.context import Below, Context, Exports


def layer(context: Context) -> Exports:
    settings, base = context.settings, context.below("base")
    here = Target(environment=settings.environment, account=context.account, region=settings.region)
    environment = _environment(context, here, base)
    targets = [_target(context, text) for text in settings.delivers]
    home = _home(context, here, base, targets) if targets or settings.previews else None
    sender = _target(context, settings.delivered_by) if settings.delivered_by else here
    store = _others_store(context, sender) if settings.delivered_by or home is None else home.store
    if settings.delivered_by or targets:
        Receiver(
            "receiver",
            ReceiverArgs(environment=environment, home=sender, store=store, functions=tuple(FUNCTIONS)),
            context.opts,
        )
    if home is None:
        return {}
    exports = _promoted(context, home, targets) if targets else {}
    if settings.previews:
        exports |= _previewed(context, home, environment, base)
    return {"connectionArn": home.connection_arn, "artifactKeyArn": home.store.key_arn, "pipelines": exports}


def _target(context: Context, text: str) -> Target:
    name, account = account_of(text)
    return Target(environment=name, account=account or context.account, region=context.settings.region)


def _environment(context: Context, here: Target, base: Below) -> Environment:
    settings, cluster, apps = context.settings, context.below("cluster"), context.below("apps")
    return Environment(
        target=here,
        cluster_name=cluster.text("clusterName"),
        namespace=apps.text("namespace"),
        address=apps.text("address"),
        paths=[service.paths[0] for service in SERVICES.values() if service.paths],
        data_key_arn=base.text("dataKeyArn"),
        logs_key_arn=base.text("logsKeyArn"),
        state_bucket=settings.state_bucket,
        state_key_arn=settings.state_key_arn,
        inside=_inside(context, base, cluster),
    )


def _inside(context: Context, base: Below, cluster: Below) -> Inside:
    """Kubernetes' API is private; it accepts the nodes' security group and the groups that one admits."""
    group = firewall.group("builds", context.opts, vpc_id=base.text("vpcId"), about="Builds that deliver")
    firewall.allow("builds-cluster", context.opts, client=group.id, server=cluster.text("podsGroupId"), port=443)
    firewall.allow("builds-endpoints", context.opts, client=group.id, server=base.text("endpointsGroupId"), port=443)
    firewall.allow_https_out("builds-out", context.opts, client=group.id)
    subnets = base.by_zone("privateSubnetIds", context.settings.zone_names)
    return Inside(vpc_id=base.text("vpcId"), subnet_ids=list(subnets.values()), group_id=group.id)


def _home(context: Context, here: Target, base: Below, targets: list[Target]) -> Home:
    settings = context.settings
    artifacts = Artifacts(
        "artifacts",
        ArtifactsArgs(
            environment=settings.environment,
            account=context.account,
            readers=[target.account for target in targets if target.environment != settings.environment],
            log_bucket=base.text("accessLogBucket"),
            protect=settings.deletion_protection,
        ),
        context.opts,
    )
    connection = Source("source", SourceArgs(named=f"delivery-{settings.environment}"), context.opts)
    return Home(
        target=here,
        store=artifacts.store,
        connection_arn=connection.connection_arn,
        topic_arn=base.text("alertsTopicArn"),
        logs_key_arn=base.text("logsKeyArn"),
        repository=settings.repository,
        branch=settings.branch,
        registry_name=base.text("repositoryName"),
        registry_arn=base.text("repositoryArn"),
        registry_url=base.text("repositoryUrl"),
    )


def _others_store(context: Context, sender: Target) -> Store:
    """The artifact store of another account: we know the bucket by its name's prefix, the key from this stack's
    settings.
    """
    return Store(bucket_arn=f"arn:aws:s3:::{prefix(sender.environment)}*", key_arn=context.settings.artifact_key_arn)


def _promoted(context: Context, home: Home, targets: list[Target]) -> Exports:
    package = home.build("package", ("functions",), context.opts, size="SMALL")
    table = {
        "pods": pods.promoted(home, targets),
        "functions": functions.promoted(tuple(FUNCTIONS), package),
        "platform": platform.PROMOTED,
    }
    check = home.build("check", tuple(table), context.opts)

    def pipeline(name: str, promoted: Promoted) -> pulumi.Output[str]:
        args = PromotionArgs(home=home, targets=targets, check=check, promoted=promoted)
        return Promotion(name, args, context.opts).pipeline_name

    return {name: pipeline(name, promoted) for name, promoted in table.items()}


def _previewed(context: Context, home: Home, environment: Environment, base: Below) -> Exports:
    check = home.build("check-request", ("previews",), context.opts, buildspec="check")
    args = PreviewsArgs(
        home=home,
        environment=environment,
        check=check,
        boundary_arn=base.text("previewBoundaryArn"),
        time_zone=context.settings.time_zone,
    )
    return {"previews": Previews("previews", args, context.opts).pipeline_name}
