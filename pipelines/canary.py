"""Shifts `live` to new settings of functions, as their pipeline does to new code: `python -m pipelines.canary dev`.

`make deploy` calls it after each update of the apps layer. That publishes a version of each function whose settings
changed, and leaves the alias at the one delivered last. A tenth of the calls go to the new version for five minutes,
then all calls, or none if the function's alarm rings. Exit code 1: an alarm rang; 2: AWS refused.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cloud.function import ALIAS
from pipelines import bootstrap, delivered
from pipelines.command import Failed, Refused, command

SHARE, MINUTES = 0.1, 5
"""The part of calls that go to the new version, and for how long: as pipelines.functions_pipeline.STRATEGY says."""
_PAUSE_S = 10.0
_SETTINGS = (
    *("Architectures", "DeadLetterConfig", "Environment", "EphemeralStorage", "Handler", "KMSKeyArn", "Layers"),
    *("LoggingConfig", "MemorySize", "Role", "Runtime", "Timeout", "TracingConfig", "VpcConfig"),
)
# https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
_SAME = ("Role", "DeadLetterConfig")
"""The settings that versions must share for an alias to send calls to both."""


@dataclass(frozen=True)
class Change:
    """A function's version with new settings, and the version `live` that its alias has before.

    `unwatched` is the reason why no canary is possible and all calls go to the new version at once; else it is empty.
    """

    function: str
    version: str
    live: str
    unwatched: str = ""


@dataclass(frozen=True, kw_only=True)
class Canaries:
    """Canaries of an environment's functions; `wait` sleeps for some seconds."""

    lambdas: Any
    alarms: Any
    wait: Callable[[float], None] = time.sleep

    def pending(self, names: Sequence[str]) -> list[Change]:
        """Publishes a version of each function whose settings differ from those of `live`, with the code of `live`.

        Waits before that for deliveries that are under way, because they change which code is live.
        """
        existing = [name for name in names if self._alias(name)]
        self._await_deliveries(existing)
        changes = []
        for name in existing:
            live, newest = (self._configuration(name, qualifier) for qualifier in (ALIAS, "$LATEST"))
            if any(live.get(key) != newest.get(key) for key in _SETTINGS):
                if live["CodeSha256"] != newest["CodeSha256"]:  # a delivery was taken back: it must not come along
                    self._put_back(name)
                version = self.lambdas.publish_version(FunctionName=name, CodeSha256=live["CodeSha256"])["Version"]
                changes.append(Change(name, version, live["Version"], self._unwatched(name, live, newest)))
        return changes

    def shift(self, changes: Sequence[Change], moved: Callable[[Change], None]) -> list[str]:
        """Shifts the functions' aliases to the new versions by canary, and calls `moved` for each alias that has moved.

        Returns the functions whose alarm started; their aliases go back to the old version. An alias that a pipeline's
        delivery moves in the meantime is left as it is.
        """
        for change in changes:
            if change.unwatched:
                self._finish(change, moved)
        under_way, rang = {change.function: change for change in changes if not change.unwatched}, []
        try:
            for change in under_way.values():
                self._route(change.function, {change.version: SHARE})
            for _ in range(round(MINUTES * 60 / _PAUSE_S) if under_way else 0):
                self.wait(_PAUSE_S)
                for name in [name for name in under_way if self._rings(name)]:
                    self._take_back(under_way.pop(name))
                    rang.append(name)
            for name in list(under_way):
                self._finish(under_way[name], moved)
                del under_way[name]
        finally:  # whoever stops it leaves no calls at a version that nobody watches
            for change in under_way.values():
                self._take_back(change)
        return rang

    def _finish(self, change: Change, moved: Callable[[Change], None]) -> None:
        if (self._alias(change.function) or {}).get("FunctionVersion") == change.live:
            self._route(change.function, {}, change.version)
            moved(change)

    def _take_back(self, change: Change) -> None:
        if change.version in _weights(self._alias(change.function) or {}):
            self._route(change.function, {})

    def _unwatched(self, name: str, live: Mapping[str, Any], newest: Mapping[str, Any]) -> str:
        if any(live.get(key) != newest.get(key) for key in _SAME):
            return "Lambda shares calls only between versions with the same role and dead letter queue"
        return "its alarm rings already, so it can't tell whether they are worse" if self._rings(name) else ""

    def _await_deliveries(self, names: Sequence[str]) -> None:
        """Waits until the pipeline's canaries have ended, at most twice as long as a canary takes.

        If an alias then still divides its calls between two versions, a canary was killed.
        """
        for _ in range(round(2 * MINUTES * 60 / _PAUSE_S)):
            if not any(_weights(self._alias(name) or {}) for name in names):
                return
            self.wait(_PAUSE_S)

    def _alias(self, name: str) -> dict[str, Any] | None:
        """Returns a function's alias `live`; None if the program has the function no more."""
        try:
            alias: dict[str, Any] = self.lambdas.get_alias(FunctionName=name, Name=ALIAS)
        except self.lambdas.exceptions.ResourceNotFoundException:
            return None
        return alias

    def _configuration(self, name: str, qualifier: str) -> dict[str, Any]:
        configuration: dict[str, Any] = self.lambdas.get_function_configuration(FunctionName=name, Qualifier=qualifier)
        if "Error" in configuration.get("Environment", {}):
            raise Failed(f"{name}: its variables can't be read, nor compared: kms:Decrypt on the data key is missing")
        return configuration

    def _put_back(self, name: str) -> None:
        location = self.lambdas.get_function(FunctionName=name, Qualifier=ALIAS)["Code"]["Location"]
        with urlopen(location) as file:  # noqa: S310  Lambda's own address of the zip
            self.lambdas.update_function_code(FunctionName=name, ZipFile=file.read())
        self.lambdas.get_waiter("function_updated_v2").wait(FunctionName=name)

    def _route(self, name: str, weights: Mapping[str, float], version: str | None = None) -> None:
        moved = {"FunctionVersion": version} if version else {}
        routing = {"AdditionalVersionWeights": dict(weights)}
        self.lambdas.update_alias(FunctionName=name, Name=ALIAS, RoutingConfig=routing, **moved)

    def _rings(self, name: str) -> bool:
        alarms = self.alarms.describe_alarms(AlarmNames=[f"{name}-errors"])["MetricAlarms"]
        return any(alarm["StateValue"] == "ALARM" for alarm in alarms)


def _weights(alias: Mapping[str, Any]) -> Mapping[str, float]:
    weights: Mapping[str, float] = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})
    return weights


@command
def main(arguments: Sequence[str], wait: Callable[[float], None] = time.sleep) -> None:
    if len(arguments) != 1:
        raise Refused("name an environment: python -m pipelines.canary dev")
    (environment,) = arguments
    try:
        session = boto3.Session(region_name=bootstrap.settings(environment)["aws:region"])
        lambdas, parameters = session.client("lambda"), session.client("ssm")
        recorded = delivered.versions(parameters, environment)  # Pulumi itself moves those that were never delivered
        canaries = Canaries(lambdas=lambdas, alarms=session.client("cloudwatch"), wait=wait)
        changes = canaries.pending(list(recorded))

        def record(change: Change) -> None:
            parameters.put_parameter(
                Name=recorded[change.function], Value=change.version, Type="String", Overwrite=True
            )
            print(f"{change.function}: version {change.version} is live")

        for change in changes:
            share = (
                f"all calls at once, for {change.unwatched}" if change.unwatched else f"a tenth for {MINUTES} minutes"
            )
            print(f"{change.function}: version {change.version} has the new settings, and {share}")
        rang = canaries.shift(changes, record)
    except (ClientError, BotoCoreError) as error:
        raise Refused(str(error)) from error
    if rang:
        raise Failed(f"the alarm rang: {', '.join(rang)} go on with the settings before")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
