"""Tests of pipelines, builds and connections: valid by AWS's own models, and created, read and started on moto."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from stacks.offline.recording import Graph, Resource
from tests.pipelines import shapes
from tests.stacks.graphs import ENVIRONMENTS, graph_of

Cloud = Callable[[str], Any]


def every(token: str) -> list[Resource]:
    return [resource for environment in ENVIRONMENTS for resource in graph_of(environment).of(token)]


def test_there_is_a_pipeline_for_everything_that_is_delivered() -> None:
    assert {resource.inputs["name"] for resource in every(shapes.PIPELINE)} == {
        *(f"delivery-prod-{name}" for name in ("pods", "functions", "platform")),
        *(f"delivery-dev-{name}" for name in ("previews", "previews-end", "previews-expired")),
    }


def test_every_pipeline_has_the_shape_that_codepipeline_takes() -> None:
    pipelines = every(shapes.PIPELINE)
    assert pipelines
    for pipeline in pipelines:
        request = shapes.pipeline(pipeline)
        assert not shapes.report("codepipeline", "CreatePipeline", request), pipeline.name
        assert not shapes.unlisted("codepipeline", "CreatePipeline", request), pipeline.name


def test_every_build_has_the_shape_that_codebuild_takes() -> None:
    builds = every(shapes.PROJECT)
    assert builds
    for build in builds:
        request = shapes.project(build)
        assert not shapes.report("codebuild", "CreateProject", request), build.name
        assert not shapes.unlisted("codebuild", "CreateProject", request), build.name


def test_every_connection_has_the_shape_that_codeconnections_takes() -> None:
    connections = every(shapes.CONNECTION)
    assert len(connections) == 2
    for connection in connections:
        request = shapes.connection(connection)
        assert not shapes.report("codeconnections", "CreateConnection", request)
        assert not shapes.unlisted("codeconnections", "CreateConnection", request)


def test_a_wrong_shape_is_told() -> None:
    broken = {"pipeline": {"name": "x", "stages": [], "colour": "red", "executionMode": "SOMEHOW"}}
    report = shapes.report("codepipeline", "CreatePipeline", broken)
    assert 'Missing required parameter in pipeline: "roleArn"' in report
    assert "colour" in report
    del broken["pipeline"]["colour"]
    assert shapes.unlisted("codepipeline", "CreatePipeline", broken) == [
        "SOMEHOW is none of QUEUED, SUPERSEDED, PARALLEL"
    ]


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_each_pipeline_is_made_read_back_and_started(environment: str, cloud: Cloud) -> None:
    pipelines = graph_of(environment).of(shapes.PIPELINE)
    assert bool(pipelines) == (environment in {"dev", "prod"})
    for pipeline in pipelines:
        request = shapes.pipeline(pipeline)
        trust = next(
            role
            for role in graph_of(environment).of("aws:iam/role:Role")
            if role.inputs.get("name") == pipeline.inputs["name"]
        ).inputs["assumeRolePolicy"]
        role = cloud("iam").create_role(RoleName=pipeline.inputs["name"], AssumeRolePolicyDocument=trust)["Role"]
        request["pipeline"]["roleArn"] = role["Arn"]
        cloud("codepipeline").create_pipeline(**request)
        back = cloud("codepipeline").get_pipeline(name=pipeline.inputs["name"])["pipeline"]
        assert [stage["name"] for stage in back["stages"]] == [stage["name"] for stage in pipeline.inputs["stages"]]
        assert back["pipelineType"] == "V2"
        assert back["stages"] == request["pipeline"]["stages"]
        assert cloud("codepipeline").start_pipeline_execution(name=pipeline.inputs["name"])["pipelineExecutionId"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_build_is_made_read_back_and_started(environment: str, cloud: Cloud) -> None:
    builds = graph_of(environment).of(shapes.PROJECT)
    assert builds
    for build in builds:
        request = shapes.project(build)
        request["serviceRole"] = f"arn:aws:iam::123456789012:role/{request['name']}"
        # moto asks for a location even where CodePipeline brings source and takes artifacts.
        request["source"], request["artifacts"] = (
            {**request[key], "location": "of-the-pipeline"} for key in ("source", "artifacts")
        )
        cloud("codebuild").delete_project(name=request["name"])
        cloud("codebuild").create_project(**request)
        (back,) = cloud("codebuild").batch_get_projects(names=[request["name"]])["projects"]
        assert back["environment"] == request["environment"]
        assert back["source"]["buildspec"] == request["source"]["buildspec"]
        assert cloud("codebuild").start_build(projectName=request["name"])["build"]["id"]
        cloud("codebuild").delete_project(name=request["name"])  # moto is shared with other tests


def test_a_connection_is_made_on_moto(cloud: Cloud) -> None:
    moto = pytest.importorskip("moto.backends")
    if "codeconnections" not in moto.list_of_moto_modules():
        pytest.skip("moto has no CodeConnections: only its shape is checked, above")
    cloud("codeconnections").create_connection(ConnectionName="x", ProviderType="GitHub")  # pragma: no cover


def test_a_request_that_botocore_refuses_never_reaches_moto(cloud: Cloud) -> None:
    with pytest.raises(ParamValidationError):
        cloud("codepipeline").create_pipeline(pipeline={"name": "x"})


def test_configurations_are_texts_of_at_most_a_thousand_letters() -> None:
    """AWS accepts keys of 50 and values of 10,000 characters; ours stay below 1,000, and all are strings."""
    pipelines = every(shapes.PIPELINE)
    assert pipelines
    for pipeline in pipelines:
        for stage in pipeline.inputs["stages"]:
            for action in stage["actions"]:
                for key, value in action["configuration"].items():
                    assert isinstance(value, str), (pipeline.name, key)
                    assert len(key) <= 50
                    assert len(value) <= 1000


def test_build_variables_of_an_action_are_json(prod: Graph) -> None:
    (rollout,) = [
        action for stage, action in shapes.actions(prod, "pods") if action["name"] == "Rollout" and stage == "Prod"
    ]
    (variable,) = json.loads(rollout["configuration"]["EnvironmentVariables"])
    assert (variable["name"], variable["type"]) == ("IMAGE", "PLAINTEXT")
    assert variable["value"].endswith("@#{Image.ECRImageDigestId}")
