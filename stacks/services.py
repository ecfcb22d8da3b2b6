"""The Kubernetes Deployments: the API's services with their routes, and the sealer of ledger blocks."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import pulumi

from app import logins
from app.processes import (
    API_COMMAND,
    API_PORT,
    KIND_HEADER,
    KINDS,
    LEAST,
    ROUTERS,
    SEALER_COMMAND,
    SEALER_PORT,
    Service,
    services,
)
from cloud import ledger as aurora
from cloud.autoscaler import Autoscaler, AutoscalerArgs
from cloud.headroom import Headroom, HeadroomArgs
from cloud.iam import Allow
from cloud.migration import Migration, MigrationArgs
from cloud.route import Route, RouteArgs, rules_of
from cloud.workload import Workload, WorkloadArgs
from stacks.runtime import Runtime, Text
from stacks.settings import Settings

_SCRIPTS = Path(__file__).parent / "migration"
# Priorities of listener rules: the environment's own host comes last; each preview has ten before it.
_OWN_PRIORITIES, _PREVIEW_PRIORITIES, _RULES_A_SERVICE = 40_000, 10, 4
# The rest comes last. A service's place depends on no other service, since AWS can't swap priorities.
_PLACES = (*(f"offers-{kind}" for kind in KINDS), *ROUTERS, "rest")


def deploy(runtime: Runtime, migration: Migration) -> dict[str, pulumi.Output[str]]:
    """Makes the Deployments, after the migration; returns the ARN suffix of each service's target group."""
    sealer = [runtime.may_log_in(logins.SEALING), *runtime.may_publish(), runtime.may_list_digests()]
    variables = {
        **runtime.variables(logins.SEALING),
        "REWARDS_VITALS_HOST": "0.0.0.0",  # noqa: S104  the network policy says who may connect
        "REWARDS_VITALS_PORT": str(SEALER_PORT),
    }
    workload = _workload(runtime, "sealer", SEALER_COMMAND, variables, sealer, migration, vitals_port=SEALER_PORT)
    least = runtime.context.settings.min_replicas  # one sealer leads, the others stand by: more would not seal faster
    _scale(runtime, "sealer", workload, (least, least))
    settings = runtime.context.settings
    if settings.headroom and not settings.is_preview:
        Headroom("headroom", HeadroomArgs(runtime.namespace, runtime.image, settings.headroom), runtime.opts)
    apart = services(together=settings.services_together, apart=settings.services_apart)
    return {
        name: _service(runtime, name, service, _priority(settings, name, apart), migration)
        for name, service in apart.items()
    }


def migrate(runtime: Runtime) -> Migration:
    """Makes the migration Job, which creates the schema and the logins that every pod and function needs.

    A preview's Job logs in as its database's owner with an IAM token, has no admin password, and makes no logins.
    """
    preview = runtime.context.settings.is_preview
    return Migration(
        "migration",
        MigrationArgs(
            namespace=runtime.namespace,
            cluster_name=runtime.cluster.text("clusterName"),
            account=runtime.context.account,
            image=runtime.image,
            region=runtime.context.settings.region,
            admin_secret_arn=None if preview else runtime.data.text("ledgerSecretArn"),
            signing_secret_arn=runtime.stores.signing_secret_arn,
            data_key_arn=runtime.stores.data_key_arn,
            database_url=runtime.database_url("ledgerEndpoint", runtime.login(aurora.ADMIN)),
            database_port=aurora.PORT,
            scripts={name: (_SCRIPTS / name).read_text() for name in ("logins.py", "prepare.py")},
            may=[runtime.may_log_in(aurora.ADMIN)] if preview else [],
            awaited=runtime.is_delivered,
            boundary=runtime.boundary,
        ),
        runtime.opts,
    )


def _service(runtime: Runtime, name: str, service: Service, priority: int, migration: Migration) -> pulumi.Output[str]:
    variables = {
        **runtime.variables(logins.SERVICES),
        "REWARDS_SERVICES": ",".join(service.routers),
        "REWARDS_ISSUERS": runtime.issuers(),
        "REWARDS_TRUSTED_PROXIES": "1",  # the load balancer
    }
    may = [runtime.may_log_in(logins.SERVICES)]
    if "vendors" in service.routers:
        variables["REWARDS_SIGNING_KEY_SECRET"] = runtime.stores.signing_secret_arn
        variables["REWARDS_SIGNING_ISSUER"] = runtime.issuer
        may += runtime.may_sign_tokens()
    if "ledger" in service.routers:
        variables["REWARDS_DIGEST_KMS_KEY"] = runtime.stores.digest_key_arn
        may.append(runtime.may_sign_digests())
    workload = _workload(runtime, name, API_COMMAND, variables, may, migration, API_PORT)
    route = Route(
        name,
        RouteArgs(
            vpc_id=runtime.base.text("vpcId"),
            listener_arn=runtime.cluster.text("listenerArn"),
            cluster_name=runtime.cluster.text("clusterName"),
            namespace=runtime.namespace,
            service_name=workload.service_name,
            host=runtime.host,
            paths=service.paths,
            header=(KIND_HEADER, service.kind) if service.kind else None,
            first_priority=priority,
        ),
        runtime.opts,
    )
    settings = runtime.context.settings
    _scale(runtime, name, workload, (settings.min_replicas, settings.max_replicas))
    return route.target_group_suffix


def _scale(runtime: Runtime, name: str, workload: Workload, replicas: tuple[int, int]) -> None:
    noted = None if runtime.context.settings.is_preview else LEAST
    args = AutoscalerArgs(
        namespace=runtime.namespace, deployment=workload.deployment_name, replicas=replicas, noted=noted
    )
    Autoscaler(name, args, runtime.opts)


def _priority(settings: Settings, name: str, all_services: Mapping[str, Service]) -> int:
    """Returns the priority of a service's first listener rule; pull requests 1 and 3901 would get the same one."""
    if settings.is_preview:
        number = int(settings.environment.removeprefix("pr-"))
        before = takewhile(lambda other: other != name, all_services)
        rules = sum(len(rules_of(all_services[other].paths)) for other in before)
        return (number % 3900 + 1) * _PREVIEW_PRIORITIES + rules
    place = _PLACES.index(name if all_services[name].paths else "rest")
    return _OWN_PRIORITIES + place * _RULES_A_SERVICE


def _workload(
    runtime: Runtime,
    name: str,
    command: Sequence[str],
    variables: dict[str, Text],
    may: Sequence[Allow],
    migration: Migration,
    port: int | None = None,
    vitals_port: int | None = None,
) -> Workload:
    settings = runtime.context.settings
    return Workload(
        name,
        WorkloadArgs(
            namespace=runtime.namespace,
            cluster_name=runtime.cluster.text("clusterName"),
            account=runtime.context.account,
            image=runtime.image,
            command=command,
            environment={"AWS_REGION": settings.region, "AWS_DEFAULT_REGION": settings.region, **variables},
            replicas=settings.min_replicas,
            may=may,
            callers=runtime.base.text("vpcRange"),
            port=port,
            vitals_port=vitals_port,
            egress_ports=[aurora.PORT],
            awaited=runtime.is_delivered,
            boundary=runtime.boundary,
            after=[migration],
        ),
        runtime.opts,
    )
