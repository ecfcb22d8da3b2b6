"""A preview: one more apps stack on dev's layers, with its own database, stream and budget, and a last day."""

import json

from stacks.offline.recording import Graph, Resource
from tests.stacks.graphs import graph_of


def own(preview: Graph) -> list[Resource]:
    return [resource for resource in preview.resources if resource.stack == "apps.pr-123"]


def test_a_preview_adds_only_an_apps_stack(preview: Graph) -> None:
    dev = {resource.urn for resource in graph_of("dev").resources}
    assert {resource.urn for resource in preview.resources} - dev == {resource.urn for resource in own(preview)}


def test_its_namespace_stream_and_database_are_its_own(preview: Graph) -> None:
    (namespace,) = (resource for resource in own(preview) if resource.token == "kubernetes:core/v1:Namespace")
    assert namespace.inputs["metadata"]["name"] == "pr-123"
    assert [resource.name for resource in own(preview) if resource.token == "aws:kinesis/stream:Stream"] == ["journal"]
    for resource in own(preview):
        if resource.token == "aws:lambda/function:Function":
            assert "/pr_123?" in resource.inputs["environment"]["variables"]["REWARDS_DATABASE_URL"]


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
    notified = [resource.stack for resource in preview.of("aws:s3/bucketNotification:BucketNotification")]
    assert notified == ["apps.dev"]
