"""The base layer: network, keys, audit, registry, identity, alerts, budget, DNS. It stores no business data."""

import pulumi
import pulumi_aws as aws

from cloud.alerts import Alerts, AlertsArgs
from cloud.audit import Audit, AuditArgs
from cloud.boundary import Boundary, BoundaryArgs
from cloud.budget import Budget, BudgetArgs
from cloud.identity import Identity, IdentityArgs
from cloud.keys import Keys, KeysArgs, PreviewKeys
from cloud.network import Network, NetworkArgs
from cloud.registry import Registry, RegistryArgs
from pipelines.runner import Runner, RunnerArgs
from pipelines.target import Target
from stacks.context import Context, Exports

# The application's roles (app.signing.Role), which it reads from a token's groups. Vendors have another issuer.
GROUPS = {
    "member": "shops and earns",
    "analyst": "looks at numbers, never at persons",
    "admin": "approves vendors and offers",
}


def layer(context: Context) -> Exports:
    settings, account, protect = context.settings, context.account, context.settings.deletion_protection
    keys = Keys(
        "keys",
        KeysArgs(
            region=settings.region,
            recovery_region=settings.recovery_region,
            account=account,
            protect=protect,
            previews=settings.previews,
        ),
        context.opts,
    )
    network = Network(
        "network",
        NetworkArgs(
            region=settings.region,
            zones=settings.zone_names,
            cidr=settings.cidr,
            account=account,
            logs_key_arn=keys.logs_arn,
            nat=settings.nat,
            endpoints=settings.interface_endpoints,
            no_ec2_endpoint=settings.no_ec2_endpoint,
        ),
        context.opts,
    )
    alerts = Alerts(
        "alerts", AlertsArgs(account=account, key_arn=keys.logs_arn, email=settings.alert_email), context.opts
    )
    audit = Audit(
        "audit",
        AuditArgs(
            region=settings.region,
            account=account,
            logs_key_arn=keys.logs_arn,
            topic_arn=alerts.topic_arn,
            prefix=context.prefix,
            watched_buckets=[archive_prefix(context.prefix), f"{context.prefix}-exports-"],
            protect=protect,
        ),
        context.opts,
    )
    registry = Registry("app", RegistryArgs(key_arn=keys.data_arn, protect=protect), context.opts)
    Budget(
        "month",
        BudgetArgs(
            monthly_usd=settings.budget_usd,
            topic_arn=alerts.topic_arn,
            tag=f"environment${settings.environment}",
        ),
        context.opts,
    )
    # CKV2_AWS_38: DNSSEC begins with a record that a person gives the registrar; signing alone proves nothing.
    zone = aws.route53.Zone(
        "domain", name=settings.domain, opts=pulumi.ResourceOptions(provider=context.provider, protect=protect)
    )
    return {
        "vpcId": network.vpc_id,
        "publicSubnetIds": network.public_subnet_ids,
        "privateSubnetIds": network.private_subnet_ids,
        "dataSubnetIds": network.data_subnet_ids,
        "endpointsGroupId": network.endpoints_group_id,
        **_runner(context, network, keys),
        "vpcRange": settings.cidr,
        "dataKeyArn": keys.data_arn,
        "logsKeyArn": keys.logs_arn,
        "clusterKeyArn": keys.cluster_arn,
        "signingKeyArn": keys.signing_arn,
        "recoveryKeyArn": keys.recovery_arn,
        **people(context, settings.domain),
        **(_previews(context, keys.previews) if keys.previews else {}),
        "accessLogBucket": audit.access_log_bucket,
        "alertsTopicArn": alerts.topic_arn,
        "repositoryUrl": registry.repository_url,
        "repositoryArn": registry.repository_arn,
        "repositoryName": registry.repository_name,
        "domainZoneId": zone.zone_id,
        "nameServers": zone.name_servers,
    }


def _runner(context: Context, network: Network, keys: Keys) -> Exports:
    settings = context.settings
    runner = Runner(
        "runner",
        RunnerArgs(
            target=Target(environment=settings.environment, account=context.account, region=settings.region),
            vpc_id=network.vpc_id,
            subnet_ids=[network.private_subnet_ids[zone] for zone in settings.zone_names],
            endpoints_group_id=network.endpoints_group_id,
            cluster_name=context.prefix,
            key_arn=keys.data_arn,
            logs_key_arn=keys.logs_arn,
            state=settings.state,
            previews_key_arn=keys.previews.encrypting_arn if keys.previews else None,
        ),
        context.opts,
    )
    return {"runnerGroupId": runner.group_id, "runnerRoleArn": runner.role_arn}


def archive_prefix(prefix: str) -> str:
    """Returns how the archive bucket's name begins. The audit trail selects it by that before the bucket is made."""
    return f"{prefix}-archive-"


def previews_prefix(prefix: str) -> str:
    """Returns the prefix of the name of previews' archive bucket, which the data layer makes."""
    return f"{prefix}-previews-"


def _previews(context: Context, keys: PreviewKeys) -> Exports:
    """Makes the permissions boundary of previews' roles; returns its ARN and previews' KMS keys, as exports."""
    key, signing = keys.encrypting_arn, keys.signing_arn
    args = BoundaryArgs(account=context.account, bucket_prefix=previews_prefix(context.prefix), key_arns=[key, signing])
    return {
        "previewsKeyArn": key,
        "previewsSigningKeyArn": signing,
        "previewBoundaryArn": Boundary("preview", args, context.opts).policy_arn,
    }


def people(context: Context, host: str) -> Exports:
    """Returns the issuer of tokens for people who sign in at `host`: the company's own, or a user pool made here."""
    settings = context.settings
    if settings.people_issuer:
        return {
            "issuer": settings.people_issuer,
            "jwksUrl": settings.people_keys_url,
            "clientId": settings.people_audience,
            "rolesClaim": settings.people_roles_claim,
        }
    identity = Identity(
        "members",
        IdentityArgs(
            region=settings.region,
            domain_prefix=pulumi.Output.concat(context.prefix, "-", context.account),
            callback_urls=[f"https://{host}/signed-in"],
            groups=GROUPS,
            protect=settings.deletion_protection,
        ),
        context.opts,
    )
    return {
        "issuer": identity.issuer,
        "jwksUrl": identity.jwks_url,
        "clientId": identity.client_id,
        "rolesClaim": "cognito:groups",
    }
