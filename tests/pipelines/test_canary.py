"""Tests of how new settings of functions reach `live` after an update of the apps layer: by a canary with an alarm."""

import io
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipelines import canary, functions_pipeline
from pipelines.command import Failed
from tests.pipelines.test_publish import zipped

NAME, PARAMETER = "rewards-dev-vendor-feed", "/rewards/delivered/rewards/functions/vendor-feed"
ALARM, CODE, TAKEN_BACK = f"{NAME}-errors", zipped("delivered"), zipped("taken back")


@pytest.fixture
def lambdas(cloud: Callable[[str], Any], in_the_cloud: None, tmp_path: Path) -> Iterator[Any]:
    """A function whose version 1 is live and recorded; `update` then publishes version 2, with more memory."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = cloud("iam").create_role(RoleName=tmp_path.name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    client, code = cloud("lambda"), {"ZipFile": CODE}
    client.create_function(
        FunctionName=NAME, Runtime="python3.13", Role=role, Handler="app.handler", Code=code, Publish=True
    )
    client.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    cloud("ssm").put_parameter(Name=PARAMETER, Value="1", Type="String", Overwrite=True)
    ring(cloud, "OK")
    yield client
    client.delete_function(FunctionName=NAME)
    cloud("ssm").delete_parameter(Name=PARAMETER)
    cloud("cloudwatch").delete_alarms(AlarmNames=[ALARM])


def nobody_waits(_: float) -> None:
    pytest.fail("a canary was begun")


def update(client: Any) -> None:
    client.update_function_configuration(FunctionName=NAME, MemorySize=1024)
    client.publish_version(FunctionName=NAME)


def ring(cloud: Callable[[str], Any], state: str) -> None:
    client = cloud("cloudwatch")
    client.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="a test")


def live(client: Any) -> tuple[str, dict[str, float]]:
    alias = client.get_alias(FunctionName=NAME, Name="live")
    return alias["FunctionVersion"], (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})


def recorded(cloud: Callable[[str], Any]) -> str:
    value: str = cloud("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    return value


def test_new_settings_have_a_tenth_of_the_calls_for_five_minutes_and_then_all(
    lambdas: Any, cloud: Callable[[str], Any]
) -> None:
    update(lambdas)
    seen, waited = [], []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        seen.append(live(lambdas))

    assert canary.main(["dev"], wait) == 0
    assert set(map(str, seen)) == {str(("1", {"2": 0.1}))}
    assert sum(waited) == 300
    assert (live(lambdas), recorded(cloud)) == (("2", {}), "2")
    assert canary.main(["dev"], nobody_waits) == 0  # nothing is left to do


def test_when_the_alarm_rings_the_settings_before_stay_live(
    lambdas: Any, cloud: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    update(lambdas)
    assert canary.main(["dev"], lambda _: ring(cloud, "ALARM")) == 1
    assert (live(lambdas), recorded(cloud)) == (("1", {}), "1")
    assert f"the alarm rang: {NAME}" in capsys.readouterr().err


def test_who_stops_it_leaves_no_calls_at_the_new_version(lambdas: Any) -> None:
    def stopped(_: float) -> None:
        raise KeyboardInterrupt

    update(lambdas)
    with pytest.raises(KeyboardInterrupt):
        canary.main(["dev"], stopped)
    assert live(lambdas) == ("1", {})


def test_without_new_settings_code_that_was_taken_back_stays_back(lambdas: Any) -> None:
    lambdas.update_function_code(FunctionName=NAME, ZipFile=zipped("taken back"), Publish=True)
    assert canary.main(["dev"], nobody_waits) == 0
    assert live(lambdas) == ("1", {})


def test_new_settings_come_with_the_code_that_is_live(
    lambdas: Any, cloud: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Codes:
        """The Lambda client, with `name:qualifier` as the URL of a version's zip, because moto's URLs lead to AWS."""

        def __getattr__(self, name: str) -> Any:
            return getattr(lambdas, name)

        def get_function(self, FunctionName: str, Qualifier: str = "$LATEST") -> dict[str, Any]:  # noqa: N803  boto3's
            return {"Code": {"Location": f"{FunctionName}:{Qualifier}"}}

    zips = {f"{NAME}:live": CODE, f"{NAME}:$LATEST": TAKEN_BACK}
    before = lambdas.get_function_configuration(FunctionName=NAME, Qualifier="live")["CodeSha256"]
    lambdas.update_function_code(FunctionName=NAME, ZipFile=TAKEN_BACK, Publish=True)
    update(lambdas)
    monkeypatch.setattr(canary, "urlopen", lambda address: io.BytesIO(zips[address]))
    [change] = canary.Canaries(lambdas=Codes(), alarms=cloud("cloudwatch"), wait=nobody_waits).pending([NAME])
    after = lambdas.get_function_configuration(FunctionName=NAME, Qualifier=change.version)
    assert (after["CodeSha256"], after["MemorySize"]) == (before, 1024)


def test_variables_that_can_not_be_read_are_not_taken_for_equal(lambdas: Any) -> None:
    class Denied:
        exceptions = lambdas.exceptions

        def get_alias(self, **_: str) -> dict[str, Any]:
            return {"FunctionVersion": "1"}

        def get_function_configuration(self, **_: str) -> dict[str, Any]:
            return {"CodeSha256": "x", "Environment": {"Error": {"ErrorCode": "AccessDeniedException"}}}

    canaries = canary.Canaries(lambdas=Denied(), alarms=None)
    with pytest.raises(Failed, match="kms:Decrypt on the data key"):
        canaries.pending([NAME])


def test_a_function_whose_alarm_rings_already_gets_its_mend_at_once(
    lambdas: Any, cloud: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    update(lambdas)
    ring(cloud, "ALARM")
    assert canary.main(["dev"], nobody_waits) == 0
    assert (live(lambdas), recorded(cloud)) == (("2", {}), "2")
    assert "its alarm rings already" in capsys.readouterr().out


@pytest.mark.parametrize("setting", ["Role", "DeadLetterConfig"])
def test_versions_that_lambda_would_not_share_calls_between_are_moved_at_once(
    lambdas: Any, cloud: Callable[[str], Any], setting: str
) -> None:
    class Changed:
        """The Lambda client, with another value of one setting in $LATEST, because moto does not store all settings."""

        def __getattr__(self, name: str) -> Any:
            return getattr(lambdas, name)

        def get_function_configuration(self, **named: str) -> dict[str, Any]:
            changed = {} if named["Qualifier"] == "live" else {setting: {"is": "another"}}
            return {**lambdas.get_function_configuration(**named), **changed}

    canaries = canary.Canaries(lambdas=Changed(), alarms=cloud("cloudwatch"), wait=nobody_waits)
    [change] = canaries.pending([NAME])
    assert "same role and dead letter queue" in change.unwatched
    assert canaries.shift([change], lambda _: None) == []
    assert live(lambdas) == (change.version, {})


def test_a_delivery_under_way_is_waited_for_and_its_code_gets_the_settings(
    lambdas: Any, cloud: Callable[[str], Any]
) -> None:
    delivered = lambdas.update_function_code(FunctionName=NAME, ZipFile=zipped("new"), Publish=True)
    weights = {"AdditionalVersionWeights": {delivered["Version"]: 0.1}}
    lambdas.update_alias(FunctionName=NAME, Name="live", RoutingConfig=weights)
    update(lambdas)

    def wait(_: float) -> None:
        if live(lambdas)[0] == "1":  # the pipeline's canary ends well
            lambdas.update_alias(
                FunctionName=NAME, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
            )

    assert canary.main(["dev"], wait) == 0
    after = lambdas.get_function_configuration(FunctionName=NAME, Qualifier="live")
    assert (after["CodeSha256"], after["MemorySize"]) == (delivered["CodeSha256"], 1024)
    assert recorded(cloud) == live(lambdas)[0]


def test_an_alias_that_a_delivery_moves_in_the_middle_is_left_to_it(lambdas: Any, cloud: Callable[[str], Any]) -> None:
    update(lambdas)

    def wait(_: float) -> None:
        if live(lambdas)[0] == "1":
            delivered = lambdas.update_function_code(FunctionName=NAME, ZipFile=zipped("new"), Publish=True)
            lambdas.update_alias(
                FunctionName=NAME,
                Name="live",
                FunctionVersion=delivered["Version"],
                RoutingConfig={"AdditionalVersionWeights": {}},
            )

    assert canary.main(["dev"], wait) == 0
    assert (live(lambdas), recorded(cloud)) == (("3", {}), "1")


def test_each_move_is_recorded_before_the_next_is_tried(lambdas: Any) -> None:
    """Without the record, the next update of the apps layer would point the alias at the previous version again."""
    update(lambdas)
    moved: list[canary.Change] = []
    changes = [canary.Change(NAME, "2", "1", "a test"), canary.Change("rewards-dev-refused", "9", "8", "a test")]

    class Failing(canary.Canaries):
        def _route(self, name: str, weights: Mapping[str, float], version: str | None = None) -> None:
            if name != NAME:
                raise RuntimeError
            super()._route(name, weights, version)

        def _alias(self, name: str) -> dict[str, Any] | None:
            return super()._alias(name) or {"FunctionVersion": "8"}

    with pytest.raises(RuntimeError):
        Failing(lambdas=lambdas, alarms=None).shift(changes, moved.append)
    assert moved == changes[:1]


def test_what_was_never_delivered_is_left_to_the_update_itself(lambdas: Any, cloud: Callable[[str], Any]) -> None:
    update(lambdas)
    cloud("ssm").delete_parameter(Name=PARAMETER)
    assert canary.main(["dev"], nobody_waits) == 0
    assert live(lambdas) == ("1", {})
    cloud("ssm").put_parameter(Name=PARAMETER, Value="1", Type="String")


def test_the_canary_is_the_pipelines_and_each_deployment_of_the_apps_layer_ends_with_it() -> None:
    assert f"Canary{canary.SHARE * 100:.0f}Percent{canary.MINUTES}Minutes" == functions_pipeline.STRATEGY
    lines = subprocess.run(["make", "-n", "deploy", "ENV=dev"], capture_output=True, text=True, check=True).stdout
    assert "test $layer != apps || .venv/bin/python -m pipelines.canary dev" in lines
