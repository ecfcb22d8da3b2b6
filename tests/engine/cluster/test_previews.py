"""Tests of a pull request's preview on dev, with Pulumi's real Kubernetes provider and a real API server.

The pipelines' builds bring it up, change it and destroy it, with their own roles in AWS and groups in Kubernetes. dev's
function that makes the namespace and the database runs too, in its own group and on PostgreSQL. Each step is a fixture
that returns what was seen after it.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app import kubernetes
from app.functions import preview_place
from app.hosting import namespaces
from app.local import postgres
from pipelines import bootstrap
from tests import conftest
from tests.engine import control_plane, played_eks, providers
from tests.engine.cluster.conftest import NEEDS_CLUSTER
from tests.engine.control_plane import Api, Key, Refused
from tests.engine.played_builds import Builds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    NEEDS_CLUSTER,
]
PREVIEW, NUMBER = "pr-7", "7"
IMAGES = ["sha256:" + digit * 64 for digit in "78"]
UP, DOWN = "delivery-dev-preview-up", "delivery-dev-preview-down"


@dataclass(frozen=True)
class Seen:
    """What exists: objects in Kubernetes, resources of the stand-in providers, databases and logins of PostgreSQL.

    Without dev's pods, which come and go by themselves: its Deployments and Jobs are there.
    """

    objects: Mapping[Key, Mapping[str, Any]]
    resources: Mapping[str, Mapping[str, Any]]
    databases: set[str]
    logins: set[str]


@dataclass(frozen=True)
class Preview:
    """The preview after a build: what the build printed, what exists, and Deployments by name with their status."""

    printed: str
    seen: Seen
    deployments: Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def admin(server: postgres.Server | conftest.Shared) -> str:
    """Return the database URL of dev's admin."""
    return conftest.logging_in(server.url("postgres"), conftest.ADMIN)


@pytest.fixture(scope="module")
def hosting(deployed: str, api: Api, world: providers.World, admin: str) -> Iterator[None]:
    """Let Pulumi's calls of dev's function `preview-place` run its code, in the group of its access entry."""
    (function,) = [inputs for inputs in world.made.values() if inputs.get("name") == "rewards-dev-preview-place"]
    own = played_eks.entered(api, world, function["role"])
    reached = own.as_functions_call_it()

    def happens(token: str, action: str, inputs: Mapping[str, Any]) -> None:
        if token == "aws:lambda/invocation:Invocation":  # noqa: S105  a type's token
            assert inputs["functionName"] == function["name"]
            preview_place.handler({**json.loads(inputs["input"]), "tf": {"action": action}}, None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER", function["environment"]["variables"]["CLUSTER"])
        patch.setattr(preview_place, "_admin", lambda: psycopg.connect(admin, autocommit=True))
        patch.setattr(kubernetes, "of_cluster", lambda name: {"rewards-dev": reached}[name])
        patch.setattr(world, "happens", happens)
        yield


@pytest.fixture(scope="module")
def pull_request(checkout: Path) -> None:
    """Make the checkout a commit that is the head of a pull request at its origin, which is the checkout itself."""
    author = ["-c", "user.name=author", "-c", "user.email=author@rewards.example"]
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        [*author, "commit", "--quiet", "--message=Changed"],
        ["update-ref", f"refs/pull/{NUMBER}/head", "HEAD"],
        ["remote", "add", "origin", str(checkout)],
    ):
        subprocess.run(["git", *words], cwd=checkout, check=True)


@pytest.fixture(scope="module")
def look(api: Api, world: providers.World, admin: str) -> Callable[[], Seen]:
    def seen() -> Seen:
        with psycopg.connect(admin) as database:
            databases = {name for (name,) in database.execute("SELECT datname FROM pg_database")}
            logins = {name for (name,) in database.execute("SELECT rolname FROM pg_roles")}
        objects = {key: each for key, each in control_plane.contents(api).items() if key[:2] != ("Pod", "rewards")}
        return Seen(objects, dict(world.made), databases, logins)

    return seen


@pytest.fixture(scope="module")
def before(hosting: None, look: Callable[[], Seen]) -> Seen:
    return look()


@pytest.fixture(scope="module")
def builder(deployed: str, api: Api, world: providers.World, build: Builds) -> Api:
    """Return the API server as EKS lets the build of previews call it."""
    return played_eks.entered(api, world, build.project(UP)["serviceRole"])


@pytest.fixture(scope="module")
def updates(
    before: Seen,
    pull_request: None,
    build: Builds,
    builder: Api,
    api: Api,
    look: Callable[[], Seen],
    cloud: Callable[[str], Any],
) -> list[Preview]:
    """Bring the preview up with one image, and then with another."""
    kms = cloud("kms")  # moto has none of the keys that the stand-in provider makes
    kms.create_alias(AliasName=bootstrap.PREVIEWS_KEY, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    updates = []
    for digest in IMAGES:
        printed = build(UP, IMAGE_DIGEST=digest, KUBERNETES_TOKEN=builder.token)
        deployments = api.list(f"/apis/apps/v1/namespaces/{PREVIEW}/deployments")
        updates.append(Preview(printed, look(), {each["metadata"]["name"]: each for each in deployments}))
    return updates


def namespace_of(key: Key, item: Mapping[str, Any]) -> str:
    """Return an object's namespace, a namespace's own name, or the namespace of the Service that has an address."""
    kind, namespace, name = key
    return str(item["spec"]["parentRef"]["namespace"]) if kind == "IPAddress" else namespace or name


def refusal(api: Api, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
    """Try a call that changes nothing; return why it is refused, or nothing if it is not."""
    try:
        api.call(method, path, body, dryRun="All")
    except Refused as refused:
        return str(refused)
    return ""


@pytest.fixture(scope="module")
def refusals(updates: list[Preview], api: Api, builder: Api) -> Mapping[str, str]:
    """Return why calls in the preview's namespace and elsewhere are refused, by what is tried."""
    core, own = "/api/v1/namespaces", f"/api/v1/namespaces/{PREVIEW}"

    def service(kind: str) -> Mapping[str, Any]:
        return {"metadata": {"name": "it"}, "spec": {"ports": [{"port": 80}], "type": kind}}

    quota = {"spec": {"hard": {"pods": "100"}}}
    privileged = {"name": "it", "image": "it", "securityContext": {"privileged": True}}
    pod = {"metadata": {"name": "it"}, "spec": {"containers": [privileged]}}
    return {
        "own service": refusal(builder, "POST", f"{own}/services", service("ClusterIP")),
        "service reached from outside": refusal(builder, "POST", f"{own}/services", service("NodePort")),
        "larger quota": refusal(builder, "PATCH", f"{own}/resourcequotas/previews", quota),
        "privileged pod": refusal(api, "POST", f"{own}/pods", pod),
        "dev's service": refusal(builder, "DELETE", f"{core}/rewards/services/api"),
        "dev's pods": refusal(builder, "DELETE", "/apis/apps/v1/namespaces/rewards/deployments/api"),
        "namespace": refusal(builder, "DELETE", own),
    }


@pytest.fixture(scope="module")
def rules(updates: list[Preview], builder: Api) -> Mapping[str, set[tuple[str, str]]]:
    """Return by namespace which verbs the builds may use on which kinds, as the API server says it."""
    namespaces_ = [name for kind, _, name in updates[-1].seen.objects if kind == "Namespace"]
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    answers = {name: builder.call("POST", reviews, {"spec": {"namespace": name}})["status"] for name in namespaces_}
    return {
        name: {
            (verb, kind)
            for rule in answer["resourceRules"]
            if not {*rule["apiGroups"]} <= {"authentication.k8s.io", "authorization.k8s.io"}  # what is asked of oneself
            for verb in rule["verbs"]
            for kind in rule["resources"]
        }
        for name, answer in answers.items()
    }


@pytest.fixture(scope="module")
def after(
    refusals: object, rules: object, updates: list[Preview], build: Builds, builder: Api, look: Callable[[], Seen]
) -> Seen:
    """Destroy the preview, as when its pull request is closed."""
    build(DOWN, KUBERNETES_TOKEN=builder.token)
    return look()


def test_each_update_runs_its_image_on_as_many_pods_as_it_says(updates: list[Preview]) -> None:
    assert len(updates) == len(IMAGES)
    for update, digest in zip(updates, IMAGES, strict=True):
        assert f"PREVIEW_ADDRESS=https://{PREVIEW}.dev." in update.printed
        assert set(update.deployments) == {"api", "sealer"}
        for name, deployment in update.deployments.items():
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            assert container["image"].endswith(f"@{digest}")
            assert deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"] == 2, name


def test_all_that_a_preview_adds_is_in_its_namespace_and_stack(before: Seen, updates: list[Preview]) -> None:
    assert len(updates) == len(IMAGES)
    for update in updates:
        objects, resources = update.seen.objects, update.seen.resources
        assert {key: objects[key] for key in before.objects} == before.objects
        added = objects.keys() - before.objects.keys()
        assert {namespace_of(key, objects[key]) for key in added} == {PREVIEW}
        assert {urn: resources[urn] for urn in before.resources} == before.resources
        assert {re.split("[:]+", urn)[2] for urn in resources.keys() - before.resources.keys()} == {"apps.pr-7"}
        assert update.seen.databases - before.databases == update.seen.logins - before.logins == {"pr_7"}


def test_its_namespace_has_a_quota_and_admits_restricted_pods_alone(
    updates: list[Preview], refusals: Mapping[str, str]
) -> None:
    quota = updates[-1].seen.objects["ResourceQuota", PREVIEW, namespaces.ROLE]
    assert quota["spec"]["hard"] == namespaces.QUOTA
    assert r"violates PodSecurity \"restricted:latest\": privileged" in refusals["privileged pod"]


def test_a_build_may_make_what_is_a_previews_and_nothing_that_is_reached_from_outside(
    refusals: Mapping[str, str],
) -> None:
    assert not refusals["own service"]
    assert "ValidatingAdmissionPolicy 'preview-services'" in refusals["service reached from outside"]


@pytest.mark.parametrize("attempt", ["larger quota", "dev's service", "dev's pods", "namespace"])
def test_a_build_is_forbidden_what_is_not_a_previews(refusals: Mapping[str, str], attempt: str) -> None:
    assert '"reason":"Forbidden"' in refusals[attempt]


def test_a_build_may_do_nothing_in_namespaces_that_are_no_previews(rules: Mapping[str, set[tuple[str, str]]]) -> None:
    assert ("patch", "deployments") in rules[PREVIEW]
    assert {"default", "kube-system", "rewards"} < set(rules)
    assert {name for name, allowed in rules.items() if allowed} == {PREVIEW}


def test_what_is_destroyed_leaves_nothing(before: Seen, after: Seen) -> None:
    assert after == before
