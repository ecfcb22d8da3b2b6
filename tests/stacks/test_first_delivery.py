"""Tests of an apps layer before and after its first delivery, and of how many calls the stream may make at once."""

from typing import Any

import pytest

from app.processes import CARE
from cloud.function import _UNDELIVERED
from stacks.offline.recording import Graph
from tests.stacks.graphs import IMAGE, VERSIONS, apps_of, graph_of

FUNCTION, MAPPING = "aws:lambda/function:Function", "aws:lambda/eventSourceMapping:EventSourceMapping"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
PODS_LAGS = {"rewards-seal-lag", "rewards-publish-lag"}
FUNCTIONS_LAGS = {"rewards-consume-lag", "rewards-night-age", "rewards-digest-age"}
STOPPED = {f"{CARE}-stopped"}


def started_by_silence(graph: Graph) -> set[str]:
    return {alarm.name for alarm in graph.of(ALARM) if alarm.inputs["treatMissingData"] == "breaching"}


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_before_anything_is_delivered_the_stream_waits_and_no_alarm_starts_for_want_of_data(environment: str) -> None:
    first, second = apps_of(environment), apps_of(environment, **IMAGE, **VERSIONS)
    for graph, delivered_all in ((first, False), (second, True)):
        (mapping,) = graph.of(MAPPING)
        assert mapping.inputs["enabled"] is delivered_all
    assert started_by_silence(first) == set()
    assert started_by_silence(apps_of(environment, **VERSIONS)) == STOPPED  # the sealer, a pod, reports all lags
    assert started_by_silence(apps_of(environment, **IMAGE)) == PODS_LAGS
    assert started_by_silence(second) == PODS_LAGS | FUNCTIONS_LAGS | STOPPED


@pytest.mark.parametrize("delivered_parameters", [{}, IMAGE, VERSIONS, {**IMAGE, **VERSIONS}])
def test_an_alarm_that_exists_notifies_and_differs_in_nothing_once_more_is_delivered(
    delivered_parameters: dict[str, str],
) -> None:
    last = {alarm.name: alarm.inputs for alarm in apps_of("prod", **IMAGE, **VERSIONS).of(ALARM)}
    alarms = {alarm.name: alarm.inputs for alarm in apps_of("prod", **delivered_parameters).of(ALARM)}
    assert alarms.items() <= last.items()
    for name, inputs in alarms.items():
        assert inputs.get("actionsEnabled") is not False, name  # CKV_AWS_319
        assert inputs["alarmActions"], name
    assert last.keys() - alarms.keys() <= PODS_LAGS | FUNCTIONS_LAGS | STOPPED


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
