"""The delivery layer: an environment's builds and roles and, where settings say so, the pipelines themselves.

Each environment has this stack, in its own account. The pipelines that deliver merges are in prod's account, so that
only prod's administrators can change them. The pipelines for pull requests are in dev's account, where unreviewed code
can't reach other accounts. A person deploys this layer: a pipeline that could change its own roles would be unlimited.
"""

import pulumi
import pulumi_aws as aws

from app.processes import FUNCTIONS, SERVICES
from cloud import ledger as aurora
from cloud import security_groups
from pipelines import functions_pipeline, pipeline, platform_pipeline, pods_pipeline, preview_pipelines
from pipelines.artifacts import Artifacts, ArtifactsArgs, Store, prefix
from pipelines.builds import Inside
from pipelines.delivery_settings import account_of
from pipelines.home import Home
from pipelines.preview_pipelines import Previews, PreviewsArgs
from pipelines.promotion_pipeline import Promoted, Promotion, PromotionArgs
from pipelines.receiver import Environment, Receiver, ReceiverArgs
from pipelines.source import Source, SourceArgs
from pipelines.target import Target
from stacks.context import Below, Context, Exports

PROMOTED = ("pods", "functions", "platform")


def layer(context: Context) -> Exports:
    settings, base = context.settings, context.below("base")
    targets = [_target(context, text) for text in settings.delivers]
    names = [*(PROMOTED if targets else ()), *(preview_pipelines.PIPELINES if settings.previews else ())]
    here = Target(environment=settings.environment, account=context.account, region=settings.region)
    here = pipeline.with_roles(here, names, context.opts)
    environment = _environment(context, here, base)
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
        state=settings.state,
        signing_profile=apps.text("signingProfile"),
        signing_bucket=context.below("data").text("stagingBucket"),
        inside=_inside(context, base),
    )


def _inside(context: Context, base: Below) -> Inside:
    """Returns VPC, subnets and the runner's security group, for builds that call Kubernetes' private API."""
    subnets = base.by_zone("privateSubnetIds", context.settings.zone_names)
    return Inside(vpc_id=base.text("vpcId"), subnet_ids=list(subnets.values()), group_id=base.text("runnerGroupId"))


def _home(context: Context, here: Target, base: Below, targets: list[Target]) -> Home:
    settings = context.settings
    artifacts = Artifacts(
        "artifacts",
        ArtifactsArgs(
            environment=settings.environment,
            account=context.account,
            readers=[target.account for target in targets if target.environment != settings.environment],
            log_bucket=base.text("accessLogBucket"),
            topic_arn=base.text("alertsTopicArn"),
            protect=settings.deletion_protection,
        ),
        context.opts,
    )
    # The pipelines' findings come of it. It scans an image when it is pushed, and again when a vulnerability is new.
    aws.inspector2.Enabler("images", account_ids=[context.account], resource_types=["ECR"], opts=context.opts)
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
    """Returns the artifact store of `sender`'s account: bucket ARN by its fixed prefix, key ARN from settings."""
    return Store(bucket_arn=f"arn:aws:s3:::{prefix(sender.environment)}*", key_arn=context.settings.artifact_key_arn)


def _promoted(context: Context, home: Home, targets: list[Target]) -> Exports:
    package = home.build("package", ("functions",), context.opts, size="SMALL")
    table = {
        "pods": pods_pipeline.promoted(home, targets, context.settings.time_zone),
        "functions": functions_pipeline.promoted(tuple(FUNCTIONS), package),
        "platform": platform_pipeline.PROMOTED,
    }
    check = home.build("check", PROMOTED, context.opts)

    def made(name: str, promoted: Promoted) -> pulumi.Output[str]:
        args = PromotionArgs(home=home, targets=targets, check=check, promoted=promoted)
        return Promotion(name, args, context.opts).pipeline_name

    return {name: made(name, promoted) for name, promoted in table.items()}


def _previewed(context: Context, home: Home, environment: Environment, base: Below) -> Exports:
    data = context.below("data")
    security_groups.allow(
        "previews-ledger",
        context.opts,
        client=environment.inside.group_id,
        server=data.text("ledgerGroupId"),
        port=aurora.PORT,
    )
    check = home.build("check-request", ("previews",), context.opts, buildspec="check")
    args = PreviewsArgs(
        home=home,
        environment=environment,
        check=check,
        boundary_arn=base.text("previewBoundaryArn"),
        key_arn=base.text("previewsKeyArn"),
        ledger_id=data.text("ledgerResourceId"),
        time_zone=context.settings.time_zone,
    )
    return {"previews": Previews(preview_pipelines.BEGUN, args, context.opts).pipeline_name}
