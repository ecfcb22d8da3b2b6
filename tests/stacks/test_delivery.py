"""Both ends of the pipelines in the environments' graphs: each name that one uses exists in the other."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from app.processes import FUNCTIONS, SERVICES
from pipelines.target import version_variable
from stacks.offline.recording import Graph, Resource
from tests.stacks.graphs import delivery_of, graph_of

PIPELINE = "aws:codepipeline/pipeline:Pipeline"
PROJECT = "aws:codebuild/project:Project"
ROLE = "aws:iam/role:Role"
BUILDSPECS = Path(__file__).parents[2] / "pipelines" / "buildspecs"


def own(graph: Graph, token: str) -> list[Resource]:
    return [resource for resource in graph.of(token) if resource.layer == "delivery"]


def actions_of(environment: str) -> list[dict[str, Any]]:
    """Every action of prod's pipelines that runs in the environment."""
    return [
        action
        for pipeline in graph_of("prod").of(PIPELINE)
        for stage in pipeline.inputs["stages"]
        for action in stage["actions"]
        if f":role/delivery-{environment}-" in (action.get("roleArn") or "")
    ]


def test_each_role_that_a_pipeline_takes_on_elsewhere_is_there_and_trusts_that_pipeline() -> None:
    taken = 0
    for pipeline in graph_of("prod").of(PIPELINE):
        for stage in pipeline.inputs["stages"]:
            for action in stage["actions"]:
                match = re.search(r":role/delivery-([a-z]+)-", action.get("roleArn") or "")
                if match:
                    trusted = _trusted(graph_of(match[1]), action["roleArn"])
                    assert any(arn.endswith(f":role/{pipeline.inputs['name']}") for arn in trusted), action["name"]
                    taken += 1
    assert taken > 20


def _trusted(graph: Graph, arn: str) -> list[str]:
    (role,) = (resource for resource in own(graph, ROLE) if resource.inputs.get("name") == arn.rsplit("/", 1)[-1])
    (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    trusted: list[str] = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    return trusted


def test_each_build_that_a_pipeline_starts_is_there() -> None:
    for environment in ("staging", "prod"):
        there = {resource.inputs["name"] for resource in own(graph_of(environment), PROJECT)}
        started = {
            action["configuration"]["ProjectName"]
            for action in actions_of(environment)
            if action["provider"] == "CodeBuild"
        }
        assert started <= there
        assert started


def test_a_pipeline_takes_on_the_roles_of_its_actions_and_no_other() -> None:
    for environment in ("dev", "prod"):
        graph = graph_of(environment)
        assert graph.of(PIPELINE)
        for pipeline in graph.of(PIPELINE):
            policy = graph.named("aws:iam/rolePolicy:RolePolicy", f"{pipeline.name}-pipeline").inputs["policy"]
            taken = {
                arn
                for statement in json.loads(policy)["Statement"]
                if statement["Action"] == ["sts:AssumeRole"]
                for arn in statement["Resource"]
            }
            named = {a["roleArn"] for stage in pipeline.inputs["stages"] for a in stage["actions"] if a.get("roleArn")}
            assert taken == named


def test_no_role_of_the_previews_or_of_staging_reaches_prod() -> None:
    """Only prod's own pipelines may assume roles of prod's account."""
    graph = graph_of("prod")
    assert own(graph, ROLE)
    for role in own(graph, ROLE):
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        for arn in statement["Condition"].get("ArnEquals", {}).get("aws:PrincipalArn", []):
            assert arn.startswith("arn:aws:iam::123456789012:role/delivery-prod-")
    for resource in own(graph_of("dev"), "aws:iam/rolePolicy:RolePolicy"):
        assert "-prod-" not in resource.inputs["policy"]


def test_builds_that_deliver_run_in_the_vpc_and_reach_the_clusters_api() -> None:
    for environment in ("staging", "prod"):
        graph = graph_of(environment)
        inside = {resource.name for resource in own(graph, PROJECT) if resource.inputs.get("vpcConfig")}
        assert inside == {"diff", "rollout", "up-cluster", "up-apps"}
        rule = graph.named("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "builds-cluster")
        (cluster,) = graph.of("eks:index:Cluster")
        assert cluster.urn in rule.links["securityGroupId"] or rule.inputs["securityGroupId"].startswith("sg-")
        entries = {resource.name for resource in own(graph, "aws:eks/accessEntry:AccessEntry")}
        assert entries == inside


def test_only_its_namespace_is_open_to_the_rollout_and_nothing_is_changed_by_the_diff() -> None:
    graph = graph_of("prod")
    levels = {
        resource.name: (resource.inputs["policyArn"].rsplit("/", 1)[-1], resource.inputs["accessScope"])
        for resource in own(graph, "aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
    }
    assert levels["rollout"] == ("AmazonEKSEditPolicy", {"type": "namespace", "namespaces": ["rewards"]})
    assert levels["diff"] == ("AmazonEKSAdminViewPolicy", {"type": "cluster"})


def test_artifacts_are_under_a_key_of_their_own_and_age() -> None:
    graph = graph_of("prod")
    key = graph.named("aws:kms/key:Key", "artifacts")
    assert key.inputs["enableKeyRotation"]
    statements = json.loads(key.inputs["policy"])["Statement"]
    others = [
        statement for statement in statements if statement["Principal"].get("AWS") == "arn:aws:iam::444455556666:root"
    ]
    assert [statement["Action"] for statement in others] == [["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]]
    (rule,) = graph.named("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "artifacts").inputs[
        "rules"
    ]
    assert rule["expiration"] == {"days": 90}
    for pipeline in graph.of(PIPELINE):
        (store,) = pipeline.inputs["artifactStores"]
        assert store["encryptionKey"]["type"] == "KMS"


def test_somebody_hears_of_failures_and_of_approvals_that_wait() -> None:
    for environment in ("dev", "prod"):
        graph = graph_of(environment)
        rules = graph.of("aws:codestarnotifications/notificationRule:NotificationRule")
        assert {resource.name for resource in rules} == {resource.name for resource in graph.of(PIPELINE)}
        for resource in rules:
            assert "codepipeline-pipeline-pipeline-execution-failed" in resource.inputs["eventTypeIds"]
            assert resource.inputs["targets"] == [
                {"address": graph.exports[f"base.{environment}"]["alertsTopicArn"], "type": "SNS"}
            ]
        topic = graph.named("aws:sns/topicPolicy:TopicPolicy", "alerts").inputs["policy"]
        assert "codestar-notifications.amazonaws.com" in topic


def test_each_project_runs_a_buildspec_that_is_there_and_each_buildspec_is_run() -> None:
    projects = [resource for name in ("dev", "staging", "prod") for resource in own(graph_of(name), PROJECT)]
    run = {resource.inputs["source"]["buildspec"] for resource in projects}
    assert run == {f"pipelines/buildspecs/{path.name}" for path in BUILDSPECS.glob("*.yaml")}


def test_each_variable_of_a_buildspec_is_told_by_its_project_its_action_or_itself() -> None:
    """Reads the variables from the commands; those that a command sets itself count."""
    projects = [project for name in ("dev", "prod") for project in own(graph_of(name), PROJECT)]
    set_by_actions = {
        variable["name"]
        for name in ("dev", "prod")
        for pipeline in graph_of(name).of(PIPELINE)
        for stage in pipeline.inputs["stages"]
        for action in stage["actions"]
        for variable in json.loads(action["configuration"].get("EnvironmentVariables", "[]"))
    }
    assert projects
    for project in projects:
        path = Path(project.inputs["source"]["buildspec"])
        spec = yaml.safe_load((BUILDSPECS / path.name).read_text())
        text = "\n".join(line for phase in spec["phases"].values() for line in phase.get("commands", ()))
        set_here = set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)) | set(spec.get("env", {}).get("variables", {}))
        given = {variable["name"] for variable in project.inputs["environment"]["environmentVariables"]}
        used = set(re.findall(r"\$([A-Z_]+)", text))
        assert used <= set_here | given | set_by_actions, (project.name, used)


def test_the_versions_that_a_build_exports_are_those_of_all_functions() -> None:
    spec = yaml.safe_load((BUILDSPECS / "publish.yaml").read_text())
    assert set(spec["env"]["exported-variables"]) == {version_variable(name) for name in FUNCTIONS}


def test_smoke_asks_a_path_of_each_service_that_has_one() -> None:
    smoke = graph_of("prod").named(PROJECT, "smoke").inputs["environment"]["environmentVariables"]
    values = {variable["name"]: variable["value"] for variable in smoke}
    assert values["ADDRESS"] == "https://rewards.example"
    assert values["PATHS"].split() == [service.paths[0] for service in SERVICES.values() if service.paths]


def test_the_tests_are_reported_to_a_group_that_the_build_may_write_to() -> None:
    graph = graph_of("prod")
    group = graph.named("aws:codebuild/reportGroup:ReportGroup", "check")
    project = graph.named(PROJECT, "check")
    spec = yaml.safe_load((BUILDSPECS / "check.yaml").read_text())
    assert group.inputs["name"] == f"{project.inputs['name']}-{next(iter(spec['reports']))}"


def test_pulumi_owns_what_the_pipeline_does_not_and_the_other_way_round() -> None:
    """The fields that Pulumi ignores are those that `publish`, the canaries and `rollout` write."""
    for environment in ("staging", "prod"):
        graph = graph_of(environment)
        for token in ("aws:lambda/function:Function", "aws:lambda/alias:Alias", "kubernetes:apps/v1:Deployment"):
            assert graph.of(token)
        for function in graph.of("aws:lambda/function:Function"):
            assert set(function.ignored) == {"code", "s3Bucket", "s3Key", "s3ObjectVersion", "sourceCodeHash"}
        for alias in graph.of("aws:lambda/alias:Alias"):
            assert set(alias.ignored) == {"functionVersion", "routingConfig"}
        for deployment in graph.of("kubernetes:apps/v1:Deployment"):
            assert "spec.template.spec.containers[0].image" in deployment.ignored
        for resource in own(graph, PROJECT):
            assert not resource.ignored


def test_a_stack_that_nobody_delivers_to_has_no_pipelines_and_no_end_of_one() -> None:
    graph = delivery_of("dev", previews="false")
    assert not own(graph, PIPELINE)
    assert not own(graph, PROJECT)
