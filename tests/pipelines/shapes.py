"""Converts resources of the graph to requests to AWS's API, which botocore validates and moto accepts."""

from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from stacks.offline.recording import Graph, Resource

PIPELINE = "aws:codepipeline/pipeline:Pipeline"
PROJECT = "aws:codebuild/project:Project"
CONNECTION = "aws:codeconnections/connection:Connection"


def report(service: str, operation: str, request: Mapping[str, Any]) -> str:
    """Return botocore's complaints about a request before it is sent; empty if there are none."""
    report_ = ParamValidator().validate(dict(request), _input(service, operation))
    text: str = report_.generate_report()
    return text


def unlisted(service: str, operation: str, request: Mapping[str, Any]) -> list[str]:
    """Return the request's values that AWS's enumerations do not list; ParamValidator does not check these."""
    return list(_unlisted(_input(service, operation), request))


def _input(service: str, operation: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape


def _unlisted(shape: Any, value: Any) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            for key, inner in value.items():
                yield from _unlisted(shape.members[key], inner)
        case "list":
            for inner in value:
                yield from _unlisted(shape.member, inner)
        case "string" if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"{value} is none of {', '.join(shape.enum)}"


def pipeline(resource: Resource) -> dict[str, Any]:
    given = resource.inputs
    (store,) = given["artifactStores"]
    return {
        "pipeline": {
            "name": given["name"],
            "roleArn": given["roleArn"],
            "pipelineType": given["pipelineType"],
            "executionMode": given["executionMode"],
            "artifactStore": store,
            "stages": [_stage(part) for part in given["stages"]],
            "triggers": [_trigger(part) for part in given.get("triggers", [])],
        }
    }


def _stage(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {**stage, "actions": [_action(action) for action in stage["actions"]]}


def _action(action: Mapping[str, Any]) -> dict[str, Any]:
    kind = {key: action[key] for key in ("category", "owner", "provider", "version")}
    plain = {key: value for key, value in action.items() if key not in {*kind, "inputArtifacts", "outputArtifacts"}}
    named = {
        key: [{"name": artifact} for artifact in action.get(key, [])] for key in ("inputArtifacts", "outputArtifacts")
    }
    return {**plain, **named, "actionTypeId": kind}


def _trigger(trigger: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {"pullRequests": "pullRequest", "pushes": "push"}
    git = {renamed.get(key, key): value for key, value in trigger["gitConfiguration"].items()}
    return {**trigger, "gitConfiguration": git}


def project(resource: Resource) -> dict[str, Any]:
    given = dict(resource.inputs)
    renamed = {"buildTimeout": "timeoutInMinutes", "queuedTimeout": "queuedTimeoutInMinutes"}
    logs = {"cloudWatchLogs": given.pop("logsConfig")["cloudwatchLogs"]}
    return {**{renamed.get(key, key): value for key, value in given.items()}, "logsConfig": logs}


def connection(resource: Resource) -> dict[str, Any]:
    return {"ConnectionName": resource.inputs["name"], "ProviderType": resource.inputs["providerType"]}


def actions(graph: Graph, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return a pipeline's actions in order, each with the name of its stage."""
    stages = graph.named(PIPELINE, name).inputs["stages"]
    return [(stage["name"], action) for stage in stages for action in stage["actions"]]
