"""Tests of both ends of the pipelines: each name that one environment uses exists in the other."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from app.processes import FUNCTIONS, SERVICES
from pipelines import delivered, remote
from pipelines.target import version_variable
from stacks.delivery import PROMOTED
from stacks.offline import plan
from stacks.offline.recording import Graph, Resource, record
from stacks.program import run
from stacks.settings import Layer
from tests.stacks.graphs import delivery_of, graph_of

PIPELINE = "aws:codepipeline/pipeline:Pipeline"
PROJECT = "aws:codebuild/project:Project"
ROLE = "aws:iam/role:Role"
BUILDSPECS = Path(__file__).parents[2] / "pipelines" / "buildspecs"


def own(graph: Graph, token: str) -> list[Resource]:
    return [resource for resource in graph.of(token) if resource.layer == "delivery"]


def actions_of(environment: str) -> list[dict[str, Any]]:
    """Return the actions of prod's pipelines that run in this environment."""
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
    return _principals(role)


def _principals(role: Resource) -> list[str]:
    """Return the roles that a role's trust policy admits; none if it admits a service."""
    (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    return list(statement["Principal"].get("AWS", []))


def test_the_roles_that_staging_trusts_are_made_by_prods_layer_which_is_deployed_first() -> None:
    """AWS accepts no role as principal that isn't there."""
    pipelines = {resource.inputs.get("name") for resource in own(graph_of("prod"), ROLE)}
    trusted = [arn for role in own(graph_of("staging"), ROLE) for arn in _principals(role)]
    assert {*trusted} == {f"arn:aws:iam::111122223333:role/delivery-prod-{name}" for name in PROMOTED}
    assert {arn.rpartition("/")[2] for arn in trusted} <= pipelines


def test_each_build_that_a_pipeline_starts_is_there() -> None:
    for environment in ("staging", "prod"):
        there = {resource.inputs["name"] for resource in graph_of(environment).of(PROJECT)}
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
    """Only prod's own pipelines may assume roles in prod's account."""
    graph = graph_of("prod")
    assert own(graph, ROLE)
    for role in own(graph, ROLE):
        for arn in _principals(role):
            assert arn.startswith("arn:aws:iam::123456789012:role/delivery-prod-")
    for resource in own(graph_of("dev"), "aws:iam/rolePolicy:RolePolicy"):
        assert "-prod-" not in resource.inputs["policy"]


def test_builds_that_deliver_run_in_the_vpc_and_reach_the_clusters_api() -> None:
    for environment in ("staging", "prod"):
        graph = graph_of(environment)
        inside = {resource.name for resource in own(graph, PROJECT) if resource.inputs.get("vpcConfig")}
        assert inside == {"diff", "rollout"}
        entries = {resource.name for resource in own(graph, "aws:eks/accessEntry:AccessEntry")}
        assert entries == inside
        runner = graph.named("aws:ec2/securityGroup:SecurityGroup", "runner")
        places = [resource.inputs["vpcConfig"] for resource in graph.of(PROJECT) if resource.inputs.get("vpcConfig")]
        assert len(places) == 3
        assert {place["securityGroupIds"][0] for place in places} == {
            graph.exports[f"base.{environment}"]["runnerGroupId"]
        }
        assert runner.layer == "base"


def test_the_runner_does_what_kubernetes_needs_for_the_platforms_pipeline() -> None:
    for environment in ("staging", "prod"):
        ups = [action for action in actions_of(environment) if action["name"].startswith("Up-")]
        by_layer = {action["name"].removeprefix("Up-"): action["configuration"]["ProjectName"] for action in ups}
        runner = f"delivery-{environment}-runner"
        assert by_layer == {
            "base": f"delivery-{environment}-up-base",
            "data": f"delivery-{environment}-up-data",
            "cluster": runner,
            "apps": runner,
        }
        assert graph_of(environment).named(PROJECT, "runner").inputs["name"] == runner


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
    run |= {f"pipelines/buildspecs/{name}.yaml" for name in remote.BUILDSPECS.values()}
    assert run == {f"pipelines/buildspecs/{path.name}" for path in BUILDSPECS.glob("*.yaml")}


def test_each_variable_of_a_buildspec_is_told_by_its_project_its_action_or_itself() -> None:
    """Each variable that a buildspec's commands use must be set by its project, its action or a command."""
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
        own_names = given - {"ENVIRONMENT", "AWS_REGION", "INSIDE_VPC", "PULUMI_BACKEND_URL"}  # what programs read
        assert own_names <= used, (project.name, own_names - used)


def test_the_versions_that_publish_made_are_those_that_are_recorded() -> None:
    for environment in ("staging", "prod"):
        (record,) = [action for action in actions_of(environment) if action["name"] == "Record"]
        passed = {v["name"]: v["value"] for v in json.loads(record["configuration"]["EnvironmentVariables"])}
        assert passed == {
            version_variable(name): f"#{{Versions{environment.capitalize()}.{version_variable(name)}}}"
            for name in FUNCTIONS
        }


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
    """Pulumi ignores only properties that canaries, autoscalers and floors change, not what was delivered."""
    for environment in ("staging", "prod"):
        graph = graph_of(environment)
        for token in ("aws:lambda/function:Function", "aws:lambda/alias:Alias", "kubernetes:apps/v1:Deployment"):
            assert graph.of(token)
        for function in graph.of("aws:lambda/function:Function"):
            assert not function.ignored
        for alias in graph.of("aws:lambda/alias:Alias"):
            assert set(alias.ignored) == {"routingConfig"}
        for deployment in graph.of("kubernetes:apps/v1:Deployment"):
            assert set(deployment.ignored) == {"spec.replicas"}
        for scaler in graph.of("kubernetes:autoscaling/v2:HorizontalPodAutoscaler"):
            assert set(scaler.ignored) == {"spec.minReplicas"}
        for resource in own(graph, PROJECT):
            assert not resource.ignored


def test_what_was_delivered_last_is_declared() -> None:
    """Pipelines record the delivered image in Parameter Store; the one in the settings is only the first."""
    digest, folder = "sha256:" + "a" * 64, delivered.folder("rewards")
    parameters = {
        f"{folder}/image": digest,
        f"{folder}/functions/vendor-feed": "7",
        "/rewards/delivered/pr-7/image": "x",
    }
    stack = f"{Layer.APPS}.prod"
    below = Graph(exports=graph_of("prod").exports)
    graph = record(stack, run, plan.config(stack, imageDigest="sha256:" + "b" * 64), below, parameters)
    deployments = graph.of("kubernetes:apps/v1:Deployment")
    assert deployments
    for deployment in deployments:
        (container,) = deployment.inputs["spec"]["template"]["spec"]["containers"]
        assert container["image"].endswith(f"@{digest}")
    aliases = {alias.name: alias.inputs["functionVersion"] for alias in graph.of("aws:lambda/alias:Alias")}
    assert aliases.pop("vendor-feed") == "7"
    assert aliases
    assert "7" not in aliases.values()
    # A delivered function takes signed code alone, and Pulumi leaves the code alone, which it can't sign.
    for function in graph.of("aws:lambda/function:Function"):
        (urn,) = function.links["codeSigningConfigArn"]
        delivered_before = function.name == "vendor-feed"
        assert urn.endswith("::functions-enforce" if delivered_before else "::functions-warn")
        assert function.ignored == (("code",) if delivered_before else ())
    for policy in ("Warn", "Enforce"):
        config = graph.named("aws:lambda/codeSigningConfig:CodeSigningConfig", f"functions-{policy.lower()}")
        assert config.inputs["policies"] == {"untrustedArtifactOnDeployment": policy}


def test_only_the_build_that_publishes_may_sign() -> None:
    for environment in ("staging", "prod"):
        graph = graph_of(environment)
        profile = graph.exports[f"apps.{environment}"]["signingProfile"]
        policies = {resource.name: resource.inputs["policy"] for resource in graph.of("aws:iam/rolePolicy:RolePolicy")}
        assert [name for name, policy in policies.items() if "signer:StartSigningJob" in policy] == ["publish"]
        assert f"/signing-profiles/{profile}" in policies["publish"]
        (build,) = [resource for resource in own(graph, PROJECT) if resource.name == "publish"]
        variables = {each["name"]: each["value"] for each in build.inputs["environment"]["environmentVariables"]}
        assert variables["SIGNING_PROFILE"] == profile
        assert f"{variables['SIGNING_BUCKET']}/functions/*" in policies["publish"]


def test_a_stack_that_nobody_delivers_to_has_no_pipelines_and_no_end_of_one() -> None:
    graph = delivery_of("dev", previews="false")
    assert not own(graph, PIPELINE)
    assert not own(graph, PROJECT)
