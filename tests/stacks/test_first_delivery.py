"""Tests of an apps layer before and after its first delivery, and of how many calls the stream may make at once."""

from typing import Any

import pytest

from cloud.function import _UNDELIVERED
from pipelines import delivered
from stacks.offline import plan
from stacks.offline.recording import Graph, record
from stacks.program import run
from stacks.settings import Layer
from tests.stacks.graphs import graph_of

FUNCTION, MAPPING = "aws:lambda/function:Function", "aws:lambda/eventSourceMapping:EventSourceMapping"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
PODS = {"rewards-order-errors", "rewards-order-latency", "rewards-seal-lag", "rewards-publish-lag"}
FUNCTIONS = {
    *("rewards-nightly-late", "rewards-consume-lag", "rewards-night-age", "rewards-digest-age"),
    "journal-insights-behind",
}


def apps_of(environment: str, **parameters: str) -> Graph:
    """Return the graph of an environment's apps layer, given the values in Parameter Store that deliveries wrote."""
    stack, below = f"{Layer.APPS}.{environment}", Graph(exports=graph_of(environment).exports)
    folder = delivered.folder("rewards")
    return record(stack, run, plan.config(stack), below, {f"{folder}/{name}": it for name, it in parameters.items()})


def quiet(graph: Graph) -> set[str]:
    return {alarm.name for alarm in graph.of(ALARM) if not alarm.inputs["actionsEnabled"]}


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_before_anything_is_delivered_the_stream_waits_and_alarms_of_its_absence_are_quiet(environment: str) -> None:
    first = apps_of(environment)
    (mapping,) = first.of(MAPPING)
    assert not mapping.inputs["enabled"]
    assert quiet(first) == PODS | FUNCTIONS
    image = {"image": "sha256:" + "a" * 64}
    assert quiet(apps_of(environment, **image)) == FUNCTIONS
    second = apps_of(environment, **image, **{"functions/vendor-feed": "2"})
    (mapping,) = second.of(MAPPING)
    assert mapping.inputs["enabled"]
    assert not quiet(second)


def test_what_waited_on_the_stream_before_the_first_delivery_is_not_too_old_for_the_consumer() -> None:
    (mapping,) = graph_of("prod").of(MAPPING)
    (stream,) = graph_of("prod").of("aws:kinesis/stream:Stream")
    assert mapping.inputs["maximumRecordAgeInSeconds"] >= min(stream.inputs["retentionPeriod"] * 3600, 604_800)


def test_before_the_first_delivery_schedules_fail_nothing_and_files_become_dead_letters() -> None:
    """A failed scheduled call would start the function's alarm, and the alarm would roll the first canary back."""
    place: dict[str, Any] = {}
    exec(_UNDELIVERED, place)  # noqa: S102  what Lambda does with it
    for schedule in graph_of("prod").of("aws:scheduler/schedule:Schedule"):
        if schedule.name in {function.name for function in graph_of("prod").of(FUNCTION)}:
            assert schedule.inputs["target"]["input"] == "{}"
    assert place["handler"]({}, None) == {"delivered": False}
    with pytest.raises(RuntimeError, match="nothing was delivered"):
        place["handler"]({"Records": [{"s3": {}}]}, None)


@pytest.mark.parametrize(("shards", "size"), [(0, "standard"), (1, "small"), (7, "large"), (500, "large")])
def test_the_consumer_may_run_as_often_at_once_as_its_stream_calls_it(shards: int, size: str) -> None:
    graph = graph_of("staging", size=size, journalShards=shards)
    (stream,), (mapping,) = graph.of("aws:kinesis/stream:Stream"), graph.of(MAPPING)
    consumer = graph.named(FUNCTION, "journal-insights").inputs
    declared = stream.inputs.get("shardCount") or 4  # with which a stream on demand begins
    assert consumer["reservedConcurrentExecutions"] >= declared * mapping.inputs["parallelizationFactor"]
    assert mapping.links["functionName"] == frozenset({graph.named("aws:lambda/alias:Alias", "journal-insights").urn})
    reserved = sum(function.inputs["reservedConcurrentExecutions"] for function in graph.of(FUNCTION))
    assert reserved <= 900  # of an account's 1,000 AWS keeps 100 for functions without a reservation
