"""The Deployments: the API's services with their routes, and the sealer. All start after the migration."""

from collections.abc import Sequence
from pathlib import Path

import pulumi

from app import logins
from app.processes import API_COMMAND, API_PORT, SEALER_COMMAND, SEALER_PORT, SERVICES, Service
from cloud import ledger as aurora
from cloud.autoscaler import Autoscaler, AutoscalerArgs, Requests
from cloud.iam import Allow
from cloud.migration import Migration, MigrationArgs
from cloud.route import Route, RouteArgs
from cloud.workload import Workload, WorkloadArgs
from stacks.runtime import Runtime, Text
from stacks.settings import Settings

_SCRIPTS = Path(__file__).parent / "migration"
# Rules of the environment's own host come last on the shared listener; each preview has ten before them.
_OWN_PRIORITIES, _PREVIEW_PRIORITIES, _RULES_A_SERVICE = 40_000, 10, 2


def deploy(runtime: Runtime, migration: Migration) -> dict[str, pulumi.Output[str]]:
    """Returns the ARN suffixes of the target groups by service."""
    sealer = [runtime.may_log_in(logins.SEALING), *runtime.may_publish()]
    variables = {
        **runtime.variables(logins.SEALING),
        "REWARDS_VITALS_HOST": "0.0.0.0",  # noqa: S104  the network policy says who may connect
        "REWARDS_VITALS_PORT": str(SEALER_PORT),
    }
    workload = _workload(runtime, "sealer", SEALER_COMMAND, variables, sealer, migration, vitals_port=SEALER_PORT)
    least = runtime.context.settings.min_replicas  # one sealer leads, the others stand by: more would not seal faster
    _scale(runtime, "sealer", workload, (least, least))
    return {
        name: _service(runtime, name, service, _priority(runtime.context.settings, order), migration)
        for order, (name, service) in enumerate(SERVICES.items())
    }


def migrate(runtime: Runtime) -> Migration:
    """The migration that every pod and function waits for: it brings the schema and the logins that they need."""
    return Migration(
        "migration",
        MigrationArgs(
            namespace=runtime.namespace,
            cluster_name=runtime.cluster.text("clusterName"),
            account=runtime.context.account,
            image=runtime.image,
            region=runtime.context.settings.region,
            admin_secret_arn=runtime.data.text("ledgerSecretArn"),
            signing_secret_arn=runtime.data.text("signingSecretArn"),
            data_key_arn=runtime.base.text("dataKeyArn"),
            database_url=runtime.database_url("ledgerEndpoint", aurora.ADMIN),
            database_port=aurora.PORT,
            scripts={name: (_SCRIPTS / name).read_text() for name in ("logins.py", "prepare.py")},
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
        variables["REWARDS_SIGNING_KEY_SECRET"] = runtime.data.text("signingSecretArn")
        may += runtime.may_sign_tokens()
    if "ledger" in service.routers:
        variables["REWARDS_DIGEST_KMS_KEY"] = runtime.base.text("signingKeyArn")
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
            first_priority=priority,
        ),
        runtime.opts,
    )
    settings, balancer = runtime.context.settings, runtime.cluster.text("loadBalancerSuffix")
    requests = Requests(balancer=balancer, target_group=route.target_group_suffix, region=settings.region)
    _scale(runtime, name, workload, (settings.min_replicas, settings.max_replicas), requests)
    return route.target_group_suffix


def _scale(
    runtime: Runtime, name: str, workload: Workload, replicas: tuple[int, int], requests: Requests | None = None
) -> None:
    args = AutoscalerArgs(
        namespace=runtime.namespace, deployment=workload.deployment_name, replicas=replicas, requests=requests
    )
    Autoscaler(name, args, runtime.opts)


def _priority(settings: Settings, order: int) -> int:
    """The first listener rule's priority. Pull requests whose numbers differ by a multiple of 3,900 share one."""
    if settings.is_preview:
        number = int(settings.environment.removeprefix("pr-"))
        return (number % 3900 + 1) * _PREVIEW_PRIORITIES + order * _RULES_A_SERVICE
    return _OWN_PRIORITIES + order * _RULES_A_SERVICE


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
            zones=len(settings.zones),
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
