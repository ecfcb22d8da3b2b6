"""Tests of a pull request's preview: an apps stack on dev's layers, with its own database, stream and budget."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import stacks
from app.hosting import namespaces
from pipelines.bootstrap import QUOTAS
from stacks.context import HANDED, NotHanded
from stacks.offline import plan
from stacks.offline.recording import Graph, Resource
from tests.stacks.graphs import graph_of

README = (Path(stacks.__file__).parent / "README.md").read_text()


def own(preview: Graph) -> list[Resource]:
    return [resource for resource in preview.resources if resource.stack == "apps.pr-123"]


def test_a_preview_adds_only_an_apps_stack(preview: Graph) -> None:
    dev = {resource.urn for resource in graph_of("dev").resources}
    assert {resource.urn for resource in preview.resources} - dev == {resource.urn for resource in own(preview)}


def test_its_namespace_stream_and_database_are_its_own(preview: Graph) -> None:
    assert not [resource for resource in own(preview) if resource.token == "kubernetes:core/v1:Namespace"]
    (place,) = (resource for resource in own(preview) if resource.token == "aws:lambda/invocation:Invocation")
    assert json.loads(place.inputs["input"]) == {"preview": "pr-123"}
    assert (place.inputs["functionName"], place.inputs["lifecycleScope"]) == ("rewards-dev-preview-place", "CRUD")
    inside = [resource for resource in own(preview) if resource.token.startswith("kubernetes:")]
    assert {resource.inputs["metadata"]["namespace"] for resource in inside} == {"pr-123"}
    assert [resource.name for resource in own(preview) if resource.token == "aws:kinesis/stream:Stream"] == ["journal"]
    for resource in own(preview):
        if resource.token == "aws:lambda/function:Function":
            url = urlsplit(resource.inputs["environment"]["variables"]["REWARDS_DATABASE_URL"])
            assert (url.username, url.path) == ("pr_123", "/pr_123")


def test_it_has_an_expiry_a_budget_and_a_name_of_its_own(preview: Graph) -> None:
    (provider,) = (resource for resource in own(preview) if resource.token == "pulumi:providers:aws")
    tags = provider.inputs["defaultTags"]
    assert (tags if isinstance(tags, dict) else json.loads(tags))["tags"]["expires"] == "2026-12-01"
    assert [resource.name for resource in own(preview) if resource.token == "aws:budgets/budget:Budget"] == ["preview"]
    assert preview.exports["apps.pr-123"]["address"] == "https://pr-123.dev.rewards.example"


def test_no_role_of_it_passes_the_boundary(preview: Graph) -> None:
    roles = [resource for resource in own(preview) if resource.token == "aws:iam/role:Role"]
    assert roles
    assert all(role.inputs["permissionsBoundary"] for role in roles)


def test_it_leaves_devs_listener_rules_and_bucket_alone(preview: Graph) -> None:
    rules = [resource for resource in preview.resources if resource.token == "aws:lb/listenerRule:ListenerRule"]
    assert len({rule.inputs["priority"] for rule in rules}) == len(rules)
    notices = preview.of("aws:s3/bucketNotification:BucketNotification")
    assert [notice.stack for notice in notices if notice.inputs.get("lambdaFunctions")] == ["apps.dev"]
    assert not [notice.name for notice in notices if notice.stack == "apps.pr-123"]


def test_a_preview_says_which_of_devs_layers_does_not_hand_on_what_it_needs() -> None:
    dev = graph_of("dev")
    (parameter,) = (each for each in dev.of("aws:ssm/parameter:Parameter") if each.inputs["name"] == f"{HANDED}/base")
    exports = json.loads(parameter.inputs["value"])
    del exports["repositoryUrl"]
    older = replace(parameter, inputs={**parameter.inputs, "value": json.dumps(exports)})
    for base, name in ([older], "repositoryUrl"), ([], r"\w+"):
        others = [each for each in dev.resources if each is not parameter]
        with pytest.raises(NotHanded, match=f"dev's layer base hands no {name} to previews: deploy dev"):
            plan.preview("123", "2026-12-01", replace(dev, resources=(*others, *base)))


def test_the_quota_that_bootstrap_asks_for_has_room_for_dev_and_five_previews(preview: Graph) -> None:
    (quota,) = (quota.least for quota in QUOTAS if quota.service == "lambda")
    reserved: Counter[str] = Counter()
    for function in preview.of("aws:lambda/function:Function"):
        reserved[function.stack] += function.inputs["reservedConcurrentExecutions"]
    each = reserved.pop("apps.pr-123")
    dev = reserved.total()
    assert dev + 5 * each <= quota - 100  # AWS keeps 100 for functions without a reservation
    assert f"(dev reserves {dev}, a preview {each}, and AWS keeps" in README


def _quantity(text: str) -> float:
    """Return a Kubernetes quantity (`500m`, `2Gi`) as a number of cores or bytes."""
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * {"": 1.0, "m": 0.001, "Mi": 2.0**20, "Gi": 2.0**30}[unit]


def test_a_preview_fits_twice_into_its_namespaces_quota(preview: Graph) -> None:
    """During a rollout, old and new pods run at the same time."""
    most = {
        each.inputs["spec"]["scaleTargetRef"]["name"]: each.inputs["spec"]["maxReplicas"]
        for each in own(preview)
        if each.token.endswith(":HorizontalPodAutoscaler")
    }
    used: defaultdict[str, float] = defaultdict(float)
    for each in own(preview):
        if each.token in ("kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:Job"):
            pods = most.get(each.name, 1)
            used["pods"] += pods
            for container in each.inputs["spec"]["template"]["spec"]["containers"]:
                for resource in ("cpu", "memory"):
                    used[f"requests.{resource}"] += pods * _quantity(container["resources"]["requests"][resource])
    assert set(most) == {"api", "sealer"}
    for name, amount in used.items():
        assert 2 * amount <= _quantity(namespaces.QUOTA[name]), name
