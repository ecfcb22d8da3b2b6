"""The base layer, which stores no business data: network, keys, audit, registry, identity, alerts, budget, DNS."""

import pulumi
import pulumi_aws as aws

from cloud.alerts import Alerts, AlertsArgs
from cloud.audit import Audit, AuditArgs
from cloud.boundary import Boundary, BoundaryArgs
from cloud.budget import Budget, BudgetArgs
from cloud.identity import Identity, IdentityArgs
from cloud.keys import Keys, KeysArgs
from cloud.network import Network, NetworkArgs
from cloud.registry import Registry, RegistryArgs
from stacks.context import Context, Exports

# The application's roles (app.signing.Role), which it reads from a token's groups; a vendor's is its own issuer's.
GROUPS = {
    "member": "shops and earns",
    "analyst": "looks at numbers, never at persons",
    "admin": "approves vendors and offers",
}


def layer(context: Context) -> Exports:
    settings, account, protect = context.settings, context.account, context.settings.deletion_protection
    keys = Keys(
        "keys",
        KeysArgs(region=settings.region, recovery_region=settings.recovery_region, account=account, protect=protect),
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
        ),
        context.opts,
    )
    audit = Audit(
        "audit",
        AuditArgs(
            region=settings.region,
            account=account,
            logs_key_arn=keys.logs_arn,
            prefix=context.prefix,
            watched_buckets=archive_prefix(context.prefix),
            protect=protect,
        ),
        context.opts,
    )
    registry = Registry("app", RegistryArgs(key_arn=keys.data_arn, protect=protect), context.opts)
    alerts = Alerts(
        "alerts", AlertsArgs(account=account, key_arn=keys.logs_arn, email=settings.alert_email), context.opts
    )
    Budget(
        "month",
        BudgetArgs(
            monthly_usd=settings.budget_usd,
            topic_arn=alerts.topic_arn,
            tag=f"environment${settings.environment}",
        ),
        context.opts,
    )
    zone = aws.route53.Zone(
        "domain", name=settings.domain, opts=pulumi.ResourceOptions(provider=context.provider, protect=protect)
    )
    return {
        **_network(network),
        "vpcRange": settings.cidr,
        **_keys(keys),
        **_identity(context),
        "previewBoundaryArn": Boundary("preview", BoundaryArgs(account=account), context.opts).policy_arn,
        "accessLogBucket": audit.access_log_bucket,
        "alertsTopicArn": alerts.topic_arn,
        "repositoryUrl": registry.repository_url,
        "repositoryArn": registry.repository_arn,
        "repositoryName": registry.repository_name,
        "domainZoneId": zone.zone_id,
        "nameServers": zone.name_servers,
    }


def archive_prefix(prefix: str) -> str:
    """The prefix of archive buckets' names, by which this layer's trail records buckets that the data layer makes."""
    return f"{prefix}-archive-"


def _network(network: Network) -> Exports:
    return {
        "vpcId": network.vpc_id,
        "publicSubnetIds": network.public_subnet_ids,
        "privateSubnetIds": network.private_subnet_ids,
        "dataSubnetIds": network.data_subnet_ids,
        "endpointsGroupId": network.endpoints_group_id,
    }


def _keys(keys: Keys) -> Exports:
    return {
        "dataKeyArn": keys.data_arn,
        "logsKeyArn": keys.logs_arn,
        "clusterKeyArn": keys.cluster_arn,
        "signingKeyArn": keys.signing_arn,
        "recoveryKeyArn": keys.recovery_arn,
    }


def _identity(context: Context) -> Exports:
    settings = context.settings
    identity = Identity(
        "members",
        IdentityArgs(
            region=settings.region,
            domain_prefix=pulumi.Output.concat(context.prefix, "-", context.account),
            callback_urls=[f"https://{settings.domain}/signed-in"],
            groups=GROUPS,
            protect=settings.deletion_protection,
        ),
        context.opts,
    )
    return {"issuer": identity.issuer, "jwksUrl": identity.jwks_url, "clientId": identity.client_id}
