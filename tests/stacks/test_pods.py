"""Kubernetes manifests: valid for the pinned version, spread over zones, with variables that the application reads."""

import json
from typing import Any

import kubernetes_validate
import pytest

from app import server
from app.auth import Tokens
from app.ledger import worker
from app.main import create_app
from app.processes import API_COMMAND, FUNCTIONS, SEALER_COMMAND, SEALER_PORT, SERVICES
from app.settings import SERVICES as ROUTERS
from app.settings import Settings
from app.signing import Role
from cloud.function import RUNTIME
from stacks import base
from stacks.offline.plan import config
from stacks.offline.recording import Graph

ZONE = "topology.kubernetes.io/zone"


def manifests(graph: Graph) -> list[dict[str, Any]]:
    """Leaves out custom resources, which Kubernetes' schemas do not know, and patches, which are incomplete."""
    inputs = [dict(resource.inputs) for resource in graph.resources if resource.token.startswith("kubernetes:")]
    foreign = ("karpenter.sh", "eks.amazonaws.com", "keda.sh")
    return [manifest for manifest in inputs if not manifest.get("apiVersion", foreign[0]).startswith(foreign)]


def deployments(graph: Graph) -> dict[str, dict[str, Any]]:
    return {resource.name: dict(resource.inputs["spec"]) for resource in graph.of("kubernetes:apps/v1:Deployment")}


def variables(spec: dict[str, Any]) -> dict[str, str]:
    (container,) = spec["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def test_manifests_are_valid_for_the_pinned_kubernetes(graph: Graph, environment: str) -> None:
    version = config(f"cluster.{environment}")["rewards:kubernetesVersion"]
    checked = [
        manifest["kind"]
        for manifest in manifests(graph)
        if kubernetes_validate.validate(manifest, version, strict=True) or manifest
    ]
    assert {"Deployment", "Job", "NetworkPolicy", "PodDisruptionBudget"} <= set(checked)


def test_prod_has_three_pods_or_more_of_everything_over_three_zones(prod: Graph) -> None:
    assert deployments(prod)
    for name, spec in deployments(prod).items():
        assert spec["replicas"] >= 3, name
        (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
        assert (spread["topologyKey"], spread["maxSkew"], spread["minDomains"]) == (ZONE, 1, 3)
        assert spread["whenUnsatisfiable"] == "DoNotSchedule"
        apart = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
        (preferred,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
        assert preferred["weight"] == 100
        labels = spec["template"]["metadata"]["labels"]
        for selector in (spec["selector"], spread["labelSelector"], preferred["podAffinityTerm"]["labelSelector"]):
            assert selector["matchLabels"].items() <= labels.items()


def test_disruption_budgets_let_a_rollout_and_a_nodes_renewal_through(graph: Graph) -> None:
    budgets = {
        resource.name: resource.inputs["spec"] for resource in graph.of("kubernetes:policy/v1:PodDisruptionBudget")
    }
    assert set(budgets) == set(deployments(graph)) != set()
    for name, spec in deployments(graph).items():
        assert budgets[name]["maxUnavailable"] == 1
        assert budgets[name]["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        assert spec["replicas"] > 1
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def scalers(graph: Graph) -> dict[str, dict[str, Any]]:
    return {
        resource.name: dict(resource.inputs["spec"])
        for resource in graph.of("kubernetes:keda.sh/v1alpha1:ScaledObject")
    }


def test_autoscalers_start_at_the_replicas_and_mean_their_own_deployment(graph: Graph) -> None:
    targets = scalers(graph)
    assert set(targets) == set(deployments(graph)) != set()
    for name, spec in deployments(graph).items():
        assert targets[name]["scaleTargetRef"]["name"] == name
        assert spec["replicas"] <= targets[name]["minReplicaCount"] <= targets[name]["maxReplicaCount"]


def test_services_scale_on_cpu_and_on_the_requests_of_their_own_target_group(graph: Graph) -> None:
    groups = set()
    for name, spec in scalers(graph).items():
        cpu, *requests = spec["triggers"]
        assert (cpu["type"], cpu["metadata"]) == ("cpu", {"value": "60"})
        assert bool(requests) == (name in SERVICES)
        for counted in requests:
            metadata = counted["metadata"]
            assert (counted["type"], metadata["metricName"], metadata["metricStat"]) == (
                "aws-cloudwatch",
                "RequestCount",
                "Sum",
            )
            balancer, group = metadata["dimensionValue"].split(";")
            assert (balancer.startswith("edge-"), group.startswith(f"{name}-")) == (True, True)
            groups.add(group)
            assert counted["authenticationRef"]["name"] in {
                resource.inputs["metadata"]["name"]
                for resource in graph.of("kubernetes:keda.sh/v1alpha1:ClusterTriggerAuthentication")
            }
    assert len(groups) == len(SERVICES)


def test_what_reads_metrics_has_its_role_before_it_runs(graph: Graph) -> None:
    (release,) = graph.of("kubernetes:helm.sh/v3:Release")
    (identity,) = (
        resource
        for resource in graph.of("aws:eks/podIdentityAssociation:PodIdentityAssociation")
        if resource.layer == "cluster"
    )
    assert identity.urn in release.dependencies
    assert identity.inputs["serviceAccount"] == "keda-operator"


def test_pods_are_made_after_their_identity_and_counted_once_the_balancer_found_them(graph: Graph) -> None:
    identities = {
        resource.name: resource for resource in graph.of("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    }
    assert graph.of("kubernetes:apps/v1:Deployment")
    for deployment in graph.of("kubernetes:apps/v1:Deployment"):
        assert identities[deployment.name].urn in deployment.dependencies
        checked = [
            resource.inputs["healthCheck"]
            for resource in graph.of("aws:lb/targetGroup:TargetGroup")
            if resource.name == deployment.name
        ]
        for check in checked:
            assert deployment.inputs["spec"]["minReadySeconds"] > check["interval"] * check["healthyThreshold"]


def test_pods_are_not_root_write_nowhere_and_have_limits(graph: Graph) -> None:
    jobs = [resource.inputs["spec"] for resource in graph.of("kubernetes:batch/v1:Job")]
    assert deployments(graph)
    assert jobs
    for spec in (*deployments(graph).values(), *jobs):
        pod = spec["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        for container in (*pod["containers"], *pod["initContainers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]) == {"requests", "limits"}
            assert "@sha256:" in container["image"]


def test_every_pod_is_asked_whether_it_began_lives_and_is_ready(graph: Graph) -> None:
    assert deployments(graph)
    for name, spec in deployments(graph).items():
        (container,) = spec["template"]["spec"]["containers"]
        (port,) = container["ports"]
        paths = {"startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready"}
        for probe, path in paths.items():
            assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}, name
        assert ("lifecycle" in container) == (name in SERVICES)  # nobody sends requests to a worker


def test_the_sealer_answers_probes_where_they_ask(graph: Graph) -> None:
    spec = deployments(graph)["sealer"]
    (container,) = spec["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [SEALER_PORT]
    values = variables(spec)
    assert (values["REWARDS_VITALS_HOST"], values["REWARDS_VITALS_PORT"]) == ("0.0.0.0", str(SEALER_PORT))  # noqa: S104  its pod's
    assert "sealer" not in {resource.name for resource in graph.of("kubernetes:core/v1:Service")}


@pytest.mark.parametrize("token", ["kubernetes:apps/v1:Deployment", "aws:lambda/function:Function"])
def test_pods_and_functions_come_after_the_migration_that_makes_their_logins(graph: Graph, token: str) -> None:
    (job,) = graph.of("kubernetes:batch/v1:Job")
    assert graph.of(token)
    for process in graph.of(token):
        assert job.urn in process.dependencies, process.name


def test_everything_is_closed_but_what_a_policy_opens(graph: Graph) -> None:
    policies = {
        resource.name: resource.inputs["spec"] for resource in graph.of("kubernetes:networking.k8s.io/v1:NetworkPolicy")
    }
    assert policies["default-deny"]["podSelector"] == {}
    (probed,) = policies["sealer"]["ingress"]
    assert [port["port"] for port in probed["ports"]] == [SEALER_PORT]
    assert policies["migration"].get("ingress", []) == []
    assert set(policies) == {"default-deny", "migration", *deployments(graph)}
    (job,) = graph.of("kubernetes:batch/v1:Job")
    labels = job.inputs["spec"]["template"]["metadata"]["labels"]
    for name, pod in {
        "migration": labels,
        **{n: s["template"]["metadata"]["labels"] for n, s in deployments(graph).items()},
    }.items():
        assert policies[name]["podSelector"]["matchLabels"].items() <= pod.items()
        assert {5433, 443} <= {port["port"] for rule in policies[name]["egress"] for port in rule["ports"]}


def test_what_pods_are_told_is_what_the_application_reads(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployments(graph)
    for name, spec in deployments(graph).items():
        values = {key: value for key, value in variables(spec).items() if key.startswith("REWARDS_")}
        with monkeypatch.context() as patched:
            for key, value in values.items():
                patched.setenv(key, value)
            read = Settings.load()
        assert read.database_url.startswith("postgresql://rewards_")
        assert ":5433/rewards?" in read.database_url
        assert read.stream_name == values["REWARDS_STREAM_NAME"]
        if name in SERVICES:
            assert read.services == SERVICES[name].routers
            assert Tokens(read.issuers)
            assert read.issuers[0].jwks_url.startswith("https://cognito-idp.us-east-1.amazonaws.com/")


def test_every_router_is_served_by_exactly_one_service() -> None:
    served = [router for service in SERVICES.values() for router in service.routers]
    assert sorted(served) == sorted(ROUTERS)


def test_every_path_of_the_api_reaches_the_service_that_mounts_it(settings: Settings) -> None:
    for name, service in SERVICES.items():
        app = create_app(settings.model_copy(update={"services": service.routers}))
        paths = [path for path in app.openapi()["paths"] if not path.startswith("/health")]
        assert paths
        assert {reached(path) for path in paths} == {name}


def reached(path: str) -> str:
    """The service that the listener's rules choose, in order; `*` matches any text."""
    for name, service in SERVICES.items():
        for pattern in service.paths:
            if path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1])):
                return name
    return next(name for name, service in SERVICES.items() if not service.paths)


def test_rules_with_paths_come_before_the_rest(graph: Graph) -> None:
    rules = sorted(graph.of("aws:lb/listenerRule:ListenerRule"), key=lambda rule: int(rule.inputs["priority"]))
    assert len({rule.inputs["priority"] for rule in rules}) == len(rules)
    assert [len(rule.inputs["conditions"]) for rule in rules] == [2] * (len(rules) - 1) + [1]


def test_declared_commands_and_handlers_are_the_applications() -> None:
    from pathlib import Path  # noqa: PLC0415

    import app.functions  # noqa: PLC0415

    assert API_COMMAND[:3] == ("python", "-m", server.__name__)
    assert f"{create_app.__module__}:{create_app.__name__}" == server.APPLICATION
    assert SEALER_COMMAND[-1] == worker.__name__
    (folder,) = app.functions.__path__
    written = {path.stem for path in Path(folder).glob("[a-z]*.py")}
    assert written == {function.module for function in FUNCTIONS.values()}


def test_the_api_fits_the_load_balancer_and_the_pods_own_end(graph: Graph) -> None:
    defaults = Settings(database_url="postgresql://x/y")
    (balancer,) = [resource.inputs for resource in graph.of("aws:lb/loadBalancer:LoadBalancer")]
    assert defaults.keep_alive_s > balancer.get("idleTimeout", 60)
    for name, spec in deployments(graph).items():
        if name in SERVICES:
            assert variables(spec)["REWARDS_TRUSTED_PROXIES"] == "1"
            pod = spec["template"]["spec"]
            drained = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert drained + defaults.shutdown_s < pod["terminationGracePeriodSeconds"]


def test_the_user_pools_groups_are_the_roles_of_people() -> None:
    assert set(base.GROUPS) == set(Role) - {Role.VENDOR}


def test_functions_run_a_python_that_the_application_supports() -> None:
    assert RUNTIME == "python3.13"


def test_people_come_from_the_user_pool_and_vendors_tokens_from_the_vendors_service(graph: Graph) -> None:
    people, vendors = json.loads(variables(deployments(graph)["orders"])["REWARDS_ISSUERS"])
    assert people["issuer"].startswith("https://cognito-idp.us-east-1.amazonaws.com/")
    assert vendors["issuer"] == Settings.model_fields["signing_issuer"].default
    assert (set(people["roles"]), vendors["roles"]) == (set(Role) - {Role.VENDOR}, [Role.VENDOR])
    assert reached(vendors["jwks_url"].split("rewards.example")[1]) == "vendors"


def test_nobody_is_told_what_the_application_would_not_read(graph: Graph) -> None:
    read = {f"REWARDS_{name.upper()}" for name in Settings.model_fields}
    environments = [variables(spec) for spec in deployments(graph).values()]
    environments += [
        environment.inputs["environment"]["variables"] for environment in graph.of("aws:lambda/function:Function")
    ]
    assert environments
    for environment in environments:
        assert {name for name in environment if name.startswith("REWARDS_")} <= read


def test_only_who_signs_may_read_the_key_that_signs(graph: Graph) -> None:
    readers = {name for name, spec in deployments(graph).items() if "REWARDS_SIGNING_KEY_SECRET" in variables(spec)}
    assert readers == {"vendors"}
    readers = {
        resource.name
        for resource in graph.of("aws:iam/rolePolicy:RolePolicy")
        if "secret:vendor-tokens" in resource.inputs["policy"] or "vendor-tokens-" in resource.inputs["policy"]
    }
    assert readers == {"vendors", "migration"}
