"""Tests of the function that announces floors of pods: what it may do, what it is told, and who hears of its limit."""

import json
from typing import Any

import pytest

from app import logins
from app.processes import FLOORS, FLOORS_LIMITED
from app.settings import Settings
from stacks.offline.plan import preview
from stacks.offline.recording import Graph
from tests.stacks.graphs import graph_of
from tests.stacks.test_pods import scalers

FUNCTION, SCHEDULE = "aws:lambda/function:Function", "aws:scheduler/schedule:Schedule"


def variable(graph: Graph, name: str) -> str:
    """Return the value of one of the function's variables."""
    return str(graph.named(FUNCTION, FLOORS).inputs["environment"]["variables"][name])


def test_it_may_write_its_one_parameter_and_log_in_and_nothing_of_the_shops_beside(
    environment: str, graph: Graph
) -> None:
    (policy,) = [
        resource.inputs["policy"]
        for resource in graph.of("aws:iam/rolePolicy:RolePolicy")
        if resource.name == FLOORS and "rds-db:connect" in resource.inputs["policy"]
    ]
    allowed: dict[str, list[str]] = {}
    for statement in json.loads(policy)["Statement"]:
        for action in statement["Action"]:
            allowed.setdefault(action, []).extend(statement["Resource"])
    of_every_function = {"sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey"}
    of_every_function |= {"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"}
    assert set(allowed) - of_every_function == {"rds-db:connect", "ssm:PutParameter"}
    (parameter,) = allowed["ssm:PutParameter"]
    assert parameter.startswith("arn:aws:ssm:us-east-1:")
    assert parameter.endswith(f":parameter/rewards/{environment}/floors")
    assert parameter.partition(":parameter")[2] == variable(graph, "REWARDS_FLOORS_PARAMETER")
    (login,) = allowed["rds-db:connect"]
    assert login.endswith(f"/{logins.PLANNING}")
    assert graph.named(FUNCTION, FLOORS).inputs["reservedConcurrentExecutions"] == 1


def test_it_is_told_the_deployments_and_how_many_pods_their_autoscalers_have(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables: dict[str, str] = graph.named(FUNCTION, FLOORS).inputs["environment"]["variables"]
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    settings = Settings.load()
    replicas = {(spec["minReplicas"], spec["maxReplicas"]) for name, spec in scalers(graph).items() if name != "sealer"}
    assert {(settings.floors_least, settings.floors_most)} == replicas
    assert set(settings.floors_services) == set(scalers(graph)) - {"sealer"}
    served = {
        pod.name: each["value"].split(",")
        for pod in graph.of("kubernetes:apps/v1:Deployment")
        for each in pod.inputs["spec"]["template"]["spec"]["containers"][0]["env"]
        if each["name"] == "REWARDS_SERVICES"
    }
    assert {name: list(routers) for name, routers in settings.floors_services.items()} == served


@pytest.mark.parametrize(("size", "usd"), [("small", 1), ("standard", 10), ("large", 40)])
def test_its_limit_of_money_is_the_sizes_or_the_settings(size: str, usd: float) -> None:
    assert float(variable(graph_of("staging", size=size), "REWARDS_FLOORS_USD_A_DAY")) == usd
    assert float(variable(graph_of("staging", size=size, floorsUsdADay="2.5"), "REWARDS_FLOORS_USD_A_DAY")) == 2.5


def test_an_alarm_hears_the_line_with_which_it_tells_of_its_limit(graph: Graph) -> None:
    (counted,) = [
        resource.inputs
        for resource in graph.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")
        if resource.layer == "apps"
    ]
    assert counted["pattern"] == f'"{FLOORS_LIMITED}"'
    logging: dict[str, Any] = graph.named(FUNCTION, FLOORS).inputs["loggingConfig"]
    assert counted["logGroupName"] == logging["logGroup"]
    alarm = graph.named("aws:cloudwatch/metricAlarm:MetricAlarm", "floors-limited").inputs
    figure = counted["metricTransformation"]
    assert (alarm["namespace"], alarm["metricName"]) == (figure["namespace"], figure["name"])
    assert (alarm["threshold"], alarm["treatMissingData"], figure["value"]) == (0, "notBreaching", "1")


def test_previews_announce_no_floors() -> None:
    graph = preview("7", "2026-11-27", graph_of("dev"))
    own = [resource for resource in graph.of(FUNCTION, SCHEDULE) if resource.stack == "apps.pr-7"]
    assert {resource.name for resource in own} >= {"digest-anchor", "nightly-rewards"}
    assert FLOORS not in {resource.name for resource in own}
