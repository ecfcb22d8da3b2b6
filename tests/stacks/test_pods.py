"""Tests of Kubernetes manifests: valid for the pinned version, spread over zones, with variables that are read."""

import json
from typing import Any

import kubernetes_validate
import pytest

from app import server
from app.auth import Tokens
from app.ledger import worker
from app.main import create_app
from app.offers.models import Terms
from app.processes import (
    API_COMMAND,
    FUNCTIONS,
    HOSTING,
    KIND_HEADER,
    KINDS,
    SEALER_COMMAND,
    SEALER_PORT,
    SERVICES,
    Service,
    services,
)
from app.settings import SERVICES as ROUTERS
from app.settings import Settings
from app.signing import Role
from app.work import POD_PROCESSORS, UTILISATION
from cloud.function import RUNTIME
from stacks import base
from stacks.offline.plan import config, preview
from stacks.offline.recording import Graph
from tests.stacks.graphs import graph_of

ZONE = "topology.kubernetes.io/zone"
WAITED_FOR = {"kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:Job", "kubernetes:core/v1:Service"}


def manifests(graph: Graph) -> list[dict[str, Any]]:
    """Return the manifests without custom resources, which schemas do not know, and without patches."""
    inputs = [dict(resource.inputs) for resource in graph.resources if resource.token.startswith("kubernetes:")]
    foreign = ("karpenter.sh", "eks.amazonaws.com")
    return [manifest for manifest in inputs if not manifest.get("apiVersion", foreign[0]).startswith(foreign)]


def deployments(graph: Graph) -> dict[str, dict[str, Any]]:
    return {resource.name: dict(resource.inputs["spec"]) for resource in graph.of("kubernetes:apps/v1:Deployment")}


def apis(graph: Graph) -> dict[str, Service]:
    """Return the API's services in a graph's environment: one for everything, or several."""
    return services(together="api" in deployments(graph))


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
    kinds = {"Deployment", "HorizontalPodAutoscaler", "Job", "NetworkPolicy", "PodDisruptionBudget"}
    assert kinds <= set(checked)


def test_prod_has_three_pods_or_more_of_everything_over_three_zones(prod: Graph) -> None:
    assert deployments(prod)
    for name, spec in deployments(prod).items():
        assert spec["replicas"] >= 3, name
        (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
        assert (spread["topologyKey"], spread["maxSkew"], spread["minDomains"]) == (ZONE, 1, 2)
        assert (spread["whenUnsatisfiable"], spread["nodeTaintsPolicy"]) == ("DoNotSchedule", "Honor")
        assert spread["matchLabelKeys"] == ["pod-template-hash"]
        apart = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
        (preferred,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
        assert preferred["weight"] == 100
        labels = spec["template"]["metadata"]["labels"]
        for selector in (spec["selector"], spread["labelSelector"], preferred["podAffinityTerm"]["labelSelector"]):
            assert selector["matchLabels"].items() <= labels.items()


def test_pods_leave_a_lost_node_soon_and_headroom_at_once(prod: Graph) -> None:
    soon = {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}
    assert [name for name, spec in deployments(prod).items() if _patience(spec) != soon] == []
    (headroom,) = prod.of("kubernetes:apps/v1:ReplicaSet")
    assert set(_patience(headroom.inputs["spec"]).values()) == {0}


def _patience(spec: dict[str, Any]) -> dict[str, int]:
    tolerations = spec["template"]["spec"]["tolerations"]
    assert {each["effect"] for each in tolerations} == {"NoExecute"}
    return {each["key"]: each["tolerationSeconds"] for each in tolerations}


@pytest.mark.parametrize(("environment", "count"), [("dev", 1), ("prod", 12)])
def test_headroom_is_as_large_as_so_many_pods_and_gives_way(environment: str, count: int) -> None:
    graph = graph_of(environment)
    (room,) = graph.of("kubernetes:apps/v1:ReplicaSet")
    (priority,) = graph.of("kubernetes:scheduling.k8s.io/v1:PriorityClass")
    assert (priority.inputs["value"], priority.inputs["preemptionPolicy"]) == (-10, "Never")
    spec = room.inputs["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["priorityClassName"]) == (
        count,
        priority.inputs["metadata"]["name"],
    )
    (own,) = spec["template"]["spec"]["containers"]
    for deployment in deployments(graph).values():
        (container,) = deployment["template"]["spec"]["containers"]
        assert own["resources"]["requests"] == container["resources"]["requests"]
        assert not spec["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()


def test_without_headroom_and_in_previews_there_are_no_such_pods() -> None:
    for graph in (graph_of("dev", headroom="0"), preview("7", "2026-11-27", graph_of("dev", headroom="0"))):
        assert not graph.of("kubernetes:apps/v1:ReplicaSet", "kubernetes:scheduling.k8s.io/v1:PriorityClass")


def test_disruption_budgets_let_a_rollout_and_a_nodes_renewal_through(graph: Graph) -> None:
    budgets = {
        resource.name: resource.inputs["spec"] for resource in graph.of("kubernetes:policy/v1:PodDisruptionBudget")
    }
    assert set(budgets) == set(deployments(graph)) != set()
    for name, spec in deployments(graph).items():
        assert budgets[name]["maxUnavailable"] == 1
        assert budgets[name]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert budgets[name]["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        assert spec["replicas"] > 1
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def scalers(graph: Graph) -> dict[str, dict[str, Any]]:
    return {
        resource.name: dict(resource.inputs["spec"])
        for resource in graph.of("kubernetes:autoscaling/v2:HorizontalPodAutoscaler")
    }


def test_autoscalers_start_at_the_replicas_and_mean_their_own_deployment(graph: Graph) -> None:
    targets = scalers(graph)
    assert set(targets) == set(deployments(graph)) != set()
    for name, spec in deployments(graph).items():
        assert targets[name]["scaleTargetRef"]["name"] == name
        assert spec["replicas"] <= targets[name]["minReplicas"] <= targets[name]["maxReplicas"]


def test_pods_scale_on_the_cpu_that_they_request_up_at_once_and_down_slowly(graph: Graph) -> None:
    assert scalers(graph)
    for name, spec in scalers(graph).items():
        (cpu,) = spec["metrics"]
        target = {"type": "Utilization", "averageUtilization": UTILISATION * 100}
        assert cpu == {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        (container,) = deployments(graph)[name]["template"]["spec"]["containers"]
        assert container["resources"]["requests"]["cpu"] == f"{1000 * POD_PROCESSORS:.0f}m"
        up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
        assert up["stabilizationWindowSeconds"] == 0
        assert [(policy["value"], policy["periodSeconds"]) for policy in up["policies"]] == [(400, 15)]
        assert down["stabilizationWindowSeconds"] == 300
        assert [(policy["value"], policy["periodSeconds"]) for policy in down["policies"]] == [(25, 60)]


def test_what_the_autoscaler_reads_is_an_add_on_of_the_cluster(graph: Graph) -> None:
    assert "metrics-server" in {addon.inputs["addonName"] for addon in graph.of("aws:eks/addon:Addon")}


def test_nothing_from_outside_aws_is_installed(graph: Graph) -> None:
    """There are no Helm charts and no webhooks; the only custom resources are of kinds that EKS Auto Mode brings."""
    tokens = {resource.token for resource in graph.resources if resource.token.startswith("kubernetes:")}
    brought = ("kubernetes:karpenter.sh/", "kubernetes:eks.amazonaws.com/")
    assert tokens
    for token in tokens:
        assert not token.startswith("kubernetes:helm.sh/"), token
        assert "Webhook" not in token, token
        group = token.split(":")[1].partition("/")[0]
        assert token.startswith(brought) or "." not in group or group.endswith(".k8s.io"), token


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


def test_an_update_waits_for_pods_only_once_there_is_an_image() -> None:
    """Pulumi waits for the pods of a Deployment, of a Job, and of a Service that selects them."""
    digest = "sha256:" + "1" * 64
    for graph, skipped in ((graph_of("dev"), True), (graph_of("dev", imageDigest=digest), False)):
        waiting = graph.of(*WAITED_FOR)
        assert {resource.token for resource in waiting} == WAITED_FOR
        for resource in waiting:
            assert ("pulumi.com/skipAwait" in resource.inputs["metadata"]["annotations"]) is skipped, resource.urn


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
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) == {"cpu", "memory", "ephemeral-storage"}
            assert "@sha256:" in container["image"]


def test_a_pods_disk_holds_its_volumes_and_its_log(graph: Graph) -> None:
    """Volumes on the node's disk and the log count against a container's limit; beyond it the pod is evicted."""
    assert deployments(graph)
    log_mib = 5 * 10  # kubelet's own limit
    for name, spec in deployments(graph).items():
        pod = spec["template"]["spec"]
        volumes = [mib(volume["emptyDir"]["sizeLimit"]) for volume in pod["volumes"]]
        limits = [mib(container["resources"]["limits"]["ephemeral-storage"]) for container in pod["containers"]]
        assert sum(limits) >= sum(volumes) + len(limits) * log_mib, name


def mib(size: str) -> int:
    return int(size.removesuffix("Mi"))


def test_every_pod_is_asked_whether_it_began_lives_and_is_ready(graph: Graph) -> None:
    assert deployments(graph)
    for name, spec in deployments(graph).items():
        (container,) = spec["template"]["spec"]["containers"]
        (port,) = container["ports"]
        paths = {"startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready"}
        for probe, path in paths.items():
            assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}, name
        assert ("lifecycle" in container) == (name in apis(graph))  # nobody sends requests to a worker


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
        if name in apis(graph):
            assert read.services == apis(graph)[name].routers
            assert Tokens(read.issuers)
            assert read.issuers[0].jwks_url.startswith("https://cognito-idp.us-east-1.amazonaws.com/")


LAYOUTS = {
    "standard": services(),
    "small": services(together=True),
    "a storming promotion": services(together=True, apart=["promotion"]),
    "offers and insights apart": services(apart=["offers", "insights"]),
    "rewards and members apart": services(apart=["rewards", "members", "voucher"]),
    "every router apart": services(together=True, apart=ROUTERS[:-1]),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_router_is_served_by_exactly_one_service(layout: dict[str, Service]) -> None:
    served = [router for service in layout.values() if not service.kind for router in service.routers]
    assert sorted(served) == sorted(ROUTERS)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_path_of_the_api_reaches_the_service_that_mounts_it(
    layout: dict[str, Service], settings: Settings
) -> None:
    assert layout
    for name, service in layout.items():
        app = create_app(settings.model_copy(update={"services": service.routers}))
        paths = [path for path in app.openapi()["paths"] if not path.startswith("/health")]
        assert paths
        if service.kind:
            begun = tuple(pattern.removesuffix("*") for pattern in service.paths)
            assert {reached(path, layout, service.kind) for path in paths if path.startswith(begun)} == {name}
        else:
            assert {reached(path, layout) for path in paths} == {name}


def reached(path: str, layout: dict[str, Service] = SERVICES, kind: str = "") -> str:
    """Return the service to which the listener's rules route a request; `*` matches any text, `kind` is a header."""
    for name, service in layout.items():
        for pattern in service.paths if service.kind in {"", kind} else ():
            if path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1])):
                return name
    return next(name for name, service in layout.items() if not service.paths)


def test_kinds_of_offers_that_can_stand_apart_are_those_that_there_are() -> None:
    assert set(KINDS) == {kind for kind in Terms.KINDS if not kind.startswith("test_")}  # other tests add kinds


def conditions(graph: Graph) -> list[int]:
    """Return the number of conditions of each listener rule, by priority; assert that no rule exceeds AWS's limit."""
    rules = sorted(graph.of("aws:lb/listenerRule:ListenerRule"), key=lambda rule: int(rule.inputs["priority"]))
    assert len({rule.inputs["priority"] for rule in rules}) == len(rules)
    for rule in rules:  # AWS's limit
        assert sum(len(part.get("values", [])) for each in rule.inputs["conditions"] for part in each.values()) <= 5
    return [len(rule.inputs["conditions"]) for rule in rules]


def test_rules_with_paths_come_before_the_rest(graph: Graph) -> None:
    counted = conditions(graph)
    assert counted == [2] * (len(counted) - 1) + [1]


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_storming_promotion_has_pods_of_its_own_and_leaves_other_rules_alone(environment: str) -> None:
    before, after = graph_of(environment), graph_of(environment, servicesApart='["promotion"]')
    assert set(deployments(after)) - set(deployments(before)) == {"offers-promotion"}
    counted = conditions(after)
    assert counted == [3, *[2] * (len(counted) - 2), 1]
    (rule,) = [rule for rule in after.of("aws:lb/listenerRule:ListenerRule") if "promotion" in rule.name]
    assert {"httpHeader": {"httpHeaderName": KIND_HEADER, "values": ["promotion"]}} in rule.inputs["conditions"]
    own = {urn: resource.inputs for urn, resource in after.by_urn().items() if urn in before.by_urn()}
    rules = {urn: inputs for urn, inputs in own.items() if "ListenerRule" in urn or "autoscaling" in urn}
    assert rules == {urn: before.by_urn()[urn].inputs for urn in rules}


def test_small_has_the_whole_api_in_one_deployment_over_three_zones() -> None:
    small = deployments(graph_of("dev"))
    assert set(small) == {"api", "sealer"}
    assert variables(small["api"])["REWARDS_SERVICES"].split(",") == list(ROUTERS)
    (spread,) = small["api"]["template"]["spec"]["topologySpreadConstraints"]
    assert (small["api"]["replicas"], spread["minDomains"]) == (3, 2)


def test_declared_commands_and_handlers_are_the_applications() -> None:
    from pathlib import Path  # noqa: PLC0415

    import app.functions  # noqa: PLC0415

    assert API_COMMAND[:3] == ("python", "-m", server.__name__)
    assert f"{create_app.__module__}:{create_app.__name__}" == server.APPLICATION
    assert SEALER_COMMAND[-1] == worker.__name__
    (folder,) = app.functions.__path__
    written = {path.stem for path in Path(folder).glob("[a-z]*.py")}
    assert written == {function.module for function in {**FUNCTIONS, **HOSTING}.values()}


def test_the_api_fits_the_load_balancer_and_the_pods_own_end(graph: Graph) -> None:
    defaults = Settings(database_url="postgresql://x/y")
    (balancer,) = [resource.inputs for resource in graph.of("aws:lb/loadBalancer:LoadBalancer")]
    assert defaults.keep_alive_s > balancer.get("idleTimeout", 60)
    for name, spec in deployments(graph).items():
        if name in apis(graph):
            assert variables(spec)["REWARDS_TRUSTED_PROXIES"] == "1"
            pod = spec["template"]["spec"]
            drained = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert drained + defaults.shutdown_s < pod["terminationGracePeriodSeconds"]


def test_the_user_pools_groups_are_the_roles_of_people() -> None:
    assert set(base.GROUPS) == set(Role) - {Role.VENDOR}


def test_functions_run_a_python_that_the_application_supports() -> None:
    assert RUNTIME == "python3.13"


def test_people_come_from_the_user_pool_and_vendors_tokens_from_the_vendors_service(graph: Graph) -> None:
    api = next(spec for name, spec in deployments(graph).items() if name in apis(graph))
    people, vendors = json.loads(variables(api)["REWARDS_ISSUERS"])
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
    signing = {name for name, service in apis(graph).items() if "vendors" in service.routers}
    assert readers == signing != set(deployments(graph))
    readers = {
        resource.name
        for resource in graph.of("aws:iam/rolePolicy:RolePolicy")
        if "secret:vendor-tokens" in resource.inputs["policy"] or "vendor-tokens-" in resource.inputs["policy"]
    }
    assert readers == {*signing, "migration"}
