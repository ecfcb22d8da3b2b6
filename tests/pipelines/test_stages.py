"""Tests of the checks that every pipeline must pass, and that another environment needs one more setting."""

import json

import pytest

from cloud.function import ALIAS
from pipelines import stages
from pipelines.stages import Action, Refused, Stage, Step
from pipelines.target import Target
from stacks.offline import plan
from stacks.offline.recording import Graph
from stacks.settings import InvalidSettings, Settings
from tests.pipelines import shapes
from tests.stacks.graphs import delivery_of, graph_of

ACCOUNT = "123456789012"
BUILD = Action(name="Rollout", category="Build", provider="CodeBuild", configuration={})
APPROVAL = stages.approval("topic", "To prod")
# What AWS's action reference lists for each provider.
CONFIGURATION = {
    "CodeStarSourceConnection": {
        *("ConnectionArn", "FullRepositoryId", "BranchName", "OutputArtifactFormat", "DetectChanges")
    },
    "CodeBuild": {"ProjectName", "PrimarySource", "EnvironmentVariables", "BatchEnabled", "CombineArtifacts"},
    "ECRBuildAndPublish": {"ECRRepositoryName", "DockerFilePath", "ImageTags", "RegistryType"},
    "Lambda": {"FunctionName", "FunctionAlias", "PublishedTargetVersion", "DeployStrategy", "Alarms"},
    "Manual": {"CustomData", "ExternalEntityLink", "NotificationArn"},
}


def target(environment: str) -> Target:
    return Target(environment=environment, account=ACCOUNT, region="us-east-1")


def test_prod_without_approval_is_refused() -> None:
    with pytest.raises(Refused, match="stage Prod: nobody approves before prod"):
        stages.checked([Stage(name="Prod", actions=[BUILD], rolled_back=True)])
    with pytest.raises(Refused, match="nobody approves"):
        late = Stage(name="Approval", actions=[APPROVAL])
        stages.checked([Stage(name="Prod", actions=[BUILD], rolled_back=True), late])


def test_prod_that_would_stay_half_delivered_is_refused() -> None:
    with pytest.raises(Refused, match="stage Prod: when it fails prod would stay half delivered"):
        stages.checked([Stage(name="Approval", actions=[APPROVAL]), Stage(name="Prod", actions=[BUILD])])


@pytest.mark.parametrize("tag", ["latest", f"{stages.IMAGE_TAG},latest", "v1"])
def test_an_image_that_is_not_tagged_by_its_commit_is_refused(tag: str) -> None:
    image = stages.image("context", repository="app", build_role="role", judged=BUILD, tag=tag)
    with pytest.raises(Refused, match=rf"action Image: its image is tagged {tag}"):
        stages.checked(image)


def test_an_image_without_a_tag_is_refused_because_aws_takes_latest() -> None:
    untagged = Action(name="Image", category="Build", provider="ECRBuildAndPublish", configuration={})
    with pytest.raises(Refused, match="its image is tagged latest"):
        stages.checked([Stage(name="Image", actions=[untagged])])


def test_all_reasons_are_told_at_once() -> None:
    image = stages.image("context", repository="app", build_role="role", judged=BUILD, tag="latest")
    with pytest.raises(Refused) as refused:
        stages.checked([*image, Stage(name="Prod", actions=[BUILD])])
    assert str(refused.value).count("\n  ") == 3


def test_a_delivery_shows_what_would_change_asks_before_prod_and_rolls_back() -> None:
    shown = Action(name="Diff", category="Build", provider="CodeBuild", configuration={})
    steps = [Step(target=target(name), shown=[shown], done=[BUILD]) for name in ("staging", "prod")]
    staging, approval, prod = stages.delivery(steps, "topic")
    assert [(action.name, action.order) for action in staging.actions] == [("Diff", 1), ("Rollout", 2)]
    assert [(action.name, action.order) for action in approval.actions] == [("Diff", 1), ("Approve", 2)]
    assert [(action.name, action.order) for action in prod.actions] == [("Rollout", 1)]
    assert staging.rolled_back
    assert prod.rolled_back


@pytest.mark.parametrize("name", ["pods", "functions", "platform"])
def test_promotion_goes_from_test_to_staging_to_approval_to_prod(prod: Graph, name: str) -> None:
    declared = prod.named(shapes.PIPELINE, name).inputs
    order = [stage["name"] for stage in declared["stages"]]
    assert order[:2] == ["Source", "Check"]
    assert order[-3:] == ["Staging", "Approval", "Prod"]
    failing = {stage["name"] for stage in declared["stages"] if stage.get("onFailure") == {"result": "ROLLBACK"}}
    assert failing == {"Staging", "Prod"}
    assert declared["executionMode"] == "SUPERSEDED"
    for environment in ("Staging", "Prod"):
        *_, last = [action for stage, action in shapes.actions(prod, name) if stage == environment]
        assert last["name"] == "Smoke"
        assert last["runOrder"] == max(a["runOrder"] for s, a in shapes.actions(prod, name) if s == environment)


def test_the_image_is_built_scanned_and_then_rolled_out_by_its_digest(prod: Graph) -> None:
    named = [(action["name"], action["provider"]) for _, action in shapes.actions(prod, "pods")]
    assert named.index(("Image", "ECRBuildAndPublish")) + 1 == named.index(("Findings", "CodeBuild"))
    assert named.index(("Findings", "CodeBuild")) < named.index(("Rollout", "CodeBuild"))
    configurations = {action["name"]: action["configuration"] for _, action in shapes.actions(prod, "pods")}
    assert configurations["Image"]["ImageTags"] == stages.IMAGE_TAG
    assert "#{Image.ECRImageDigestId}" in configurations["Rollout"]["EnvironmentVariables"]
    assert "/#{Image.ECRImageDigestId}" in configurations["Findings"]["EnvironmentVariables"]


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_inspector_scans_the_images_of_an_account_that_builds_them(environment: str) -> None:
    (inspector,) = graph_of(environment).of("aws:inspector2/enabler:Enabler")
    assert (inspector.inputs["resourceTypes"], inspector.inputs["accountIds"]) == (["ECR"], [ACCOUNT])


def test_the_pods_image_is_built_again_each_week_on_a_role_that_can_only_start_that(prod: Graph) -> None:
    schedule = prod.named("aws:scheduler/schedule:Schedule", "pods-rebuilt").inputs
    assert schedule["scheduleExpression"] == "cron(0 4 ? * MON *)"
    assert json.loads(schedule["target"]["input"]) == {"Name": "delivery-prod-pods"}
    policy = json.loads(prod.named("aws:iam/rolePolicy:RolePolicy", "pods-rebuilt").inputs["policy"])
    starts = [each for each in policy["Statement"] if any("codepipeline" in action for action in each["Action"])]
    assert [(each["Action"], each["Resource"]) for each in starts] == [
        (["codepipeline:StartPipelineExecution"], ["arn:aws:codepipeline:us-east-1:123456789012:delivery-prod-pods"])
    ]


def test_each_function_is_published_then_tried_on_a_tenth_of_its_calls(prod: Graph) -> None:
    functions = {function.name: function.inputs["name"] for function in prod.of("aws:lambda/function:Function")}
    alarms = {alarm.inputs.get("name") for alarm in prod.of("aws:cloudwatch/metricAlarm:MetricAlarm")}
    (publish, *others) = [action for stage, action in shapes.actions(prod, "functions") if stage == "Prod"]
    canaries = [action for action in others if action["provider"] == "Lambda"]
    assert {action["configuration"]["FunctionName"] for action in canaries} == set(functions.values())
    for action in canaries:
        configuration = action["configuration"]
        assert configuration["FunctionAlias"] == ALIAS
        assert configuration["DeployStrategy"] == "Canary10Percent5Minutes"
        assert configuration["Alarms"] in alarms
        assert configuration["PublishedTargetVersion"].startswith(f"#{{{publish['namespace']}.")
        assert action["runOrder"] > publish["runOrder"]


def test_the_infrastructure_is_shown_then_brought_up_layer_after_layer(prod: Graph) -> None:
    ups = [(a["runOrder"], a["name"]) for s, a in shapes.actions(prod, "platform") if s == "Prod"]
    assert ups == [(1, "Up-base"), (2, "Up-data"), (3, "Up-cluster"), (4, "Up-apps"), (5, "Smoke")]
    approval = [a["name"] for s, a in shapes.actions(prod, "platform") if s == "Approval"]
    assert approval == ["Diff", "Approve"]


def test_what_starts_a_pipeline(prod: Graph) -> None:
    for name in ("pods", "functions", "platform"):
        (trigger,) = prod.named(shapes.PIPELINE, name).inputs["triggers"]
        (push,) = trigger["gitConfiguration"]["pushes"]
        assert push["branches"] == {"includes": ["main"]}
        assert push["filePaths"]["includes"]
        assert "**/*.md" in push["filePaths"]["excludes"]
        assert len(push["filePaths"]["includes"]) <= 8  # AWS's most
    dev = graph_of("dev")
    events = {
        name: dev.named(shapes.PIPELINE, name).inputs["triggers"][0]["gitConfiguration"]["pullRequests"][0]["events"]
        for name in ("previews", "previews-end")
    }
    assert events == {"previews": ["OPEN", "UPDATED"], "previews-end": ["CLOSED"]}
    assert not dev.named(shapes.PIPELINE, "previews-expired").inputs.get("triggers")
    schedule = dev.named("aws:scheduler/schedule:Schedule", "previews-expired").inputs
    assert schedule["target"]["arn"].endswith("codepipeline:startPipelineExecution")
    assert "delivery-dev-previews-expired" in schedule["target"]["input"]


def test_every_action_is_configured_by_what_its_reference_lists() -> None:
    for environment in ("dev", "prod"):
        pipelines = graph_of(environment).of(shapes.PIPELINE)
        assert pipelines
        for pipeline in pipelines:
            for _, action in shapes.actions(graph_of(environment), pipeline.name):
                assert set(action["configuration"]) <= CONFIGURATION[action["provider"]], action["name"]


def test_what_an_action_reads_an_action_before_it_wrote() -> None:
    for environment in ("dev", "prod"):
        pipelines = graph_of(environment).of(shapes.PIPELINE)
        assert pipelines
        for pipeline in pipelines:
            written: set[str] = set()
            for _, action in shapes.actions(graph_of(environment), pipeline.name):
                assert set(action.get("inputArtifacts", [])) <= written, (pipeline.name, action["name"])
                written |= set(action.get("outputArtifacts", []))


def test_an_environment_more_is_one_line_more() -> None:
    more = delivery_of("prod", delivers='["staging=444455556666", "qa=777788889999", "prod"]')
    for name in ("pods", "functions", "platform"):
        assert [stage["name"] for stage in more.named(shapes.PIPELINE, name).inputs["stages"]][-4:] == [
            *("Staging", "Qa", "Approval", "Prod")
        ]
    roles = {a["roleArn"] for s, a in shapes.actions(more, "pods") if s == "Qa"}
    assert all(arn.startswith("arn:aws:iam::777788889999:role/delivery-qa-") for arn in roles)


@pytest.mark.parametrize(
    ("stack", "key", "value", "reason"),
    [
        ("delivery.prod", "delivers", '["prod", "staging=444455556666"]', "prod, whose account this is, comes last"),
        ("delivery.prod", "delivers", '["staging", "prod"]', "staging is neither prod nor like staging=4444"),
        ("delivery.prod", "delivers", '["staging=444455556666", "staging=444455556666", "prod"]', "each .* once"),
        ("delivery.staging", "delivers", '["prod=111122223333", "staging"]', "is delivered to from its own account"),
        ("delivery.staging", "deliveredBy", "prod", "prod is not like prod=111122223333"),
        ("delivery.staging", "artifactKeyArn", "", "the other account's key is needed"),
        ("delivery.dev", "repository", "rewards", "rewards is not like owner/name"),
        ("delivery.dev", "stateBucket", "A_b", "A_b is not a bucket's name"),
        ("delivery.dev", "stateKeyArn", "alias/x", "alias/x is not a key's ARN"),
    ],
)
def test_settings_that_cannot_be_are_refused(stack: str, key: str, value: str, reason: str) -> None:
    with pytest.raises(InvalidSettings, match=reason):
        Settings.read(stack, plan.config(stack, **{key: value}))
