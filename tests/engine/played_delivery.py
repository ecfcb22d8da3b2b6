"""Plays, on moto, what pipelines deliver to and read: functions with the alias `live`, and delivered versions."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from pipelines import delivered

Inputs = Mapping[str, Any]
_ROLE = "played-functions"
_ALARM = ("MetricName", "Namespace", "Period", "Statistic", "Threshold", "EvaluationPeriods", "ComparisonOperator")
_FUNCTION = ("Runtime", "Handler", "MemorySize", "Timeout")


class Stored(dict[str, str]):
    """The delivered releases in moto's Parameter Store, read at each look."""

    def __init__(self, ssm: Any) -> None:
        super().__init__()
        self._ssm = ssm

    def items(self) -> Any:
        pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=delivered.ROOT, Recursive=True)
        return {each["Name"]: each["Value"] for page in pages for each in page["Parameters"]}.items()


class Functions:
    """Makes and changes on moto what the stand-in providers make and change of functions, their aliases and alarms.

    As AWS's provider does, it publishes a version of a function with each change of its settings. moto knows no subnet,
    key, queue or role of the stand-ins: functions there have none of their own.
    """

    def __init__(self, cloud: Callable[[str], Any]) -> None:
        self._lambdas, self._alarms, self._iam = cloud("lambda"), cloud("cloudwatch"), cloud("iam")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        self._role = self._iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        self._follows: Mapping[tuple[str, str], Callable[[Inputs], object]] = {
            ("aws:lambda/function:Function", "create"): self._create,
            ("aws:lambda/function:Function", "update"): self._update,
            ("aws:lambda/function:Function", "delete"): self._delete,
            ("aws:lambda/alias:Alias", "create"): self._name,
            ("aws:lambda/alias:Alias", "update"): self._move,
            ("aws:cloudwatch/metricAlarm:MetricAlarm", "create"): self._watch,
        }

    def happens(self, token: str, action: str, inputs: Inputs) -> None:
        """Follow a change of a resource of the stand-ins (`providers.World`)."""
        if follow := self._follows.get((token, action)):
            follow(inputs)

    def _create(self, inputs: Inputs) -> None:
        code = {"ZipFile": zipped("nothing was delivered yet")}
        self._lambdas.create_function(**_settings(inputs), Role=self._role, Code=code, Publish=True)

    def _update(self, inputs: Inputs) -> None:
        self._lambdas.update_function_configuration(**_settings(inputs))
        self._lambdas.publish_version(FunctionName=inputs["name"])

    def _delete(self, inputs: Inputs) -> None:
        self._lambdas.delete_function(FunctionName=inputs["name"])
        self._alarms.delete_alarms(AlarmNames=[f"{inputs['name']}-errors"])

    def _name(self, inputs: Inputs) -> None:
        """Make an alias of the first version, whose number the stand-in makes up."""
        self._lambdas.create_alias(FunctionName=inputs["functionName"], Name=inputs["name"], FunctionVersion="1")

    def _move(self, inputs: Inputs) -> None:
        names = {"FunctionName": inputs["functionName"], "Name": inputs["name"]}
        self._lambdas.update_alias(**names, FunctionVersion=inputs["functionVersion"])

    def _watch(self, inputs: Inputs) -> None:
        if inputs["namespace"] == "AWS/Lambda" and "name" in inputs:
            self._alarms.put_metric_alarm(AlarmName=inputs["name"], **_named(inputs, _ALARM))


def zipped(text: str) -> bytes:
    """Return the zip of a module that nobody runs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("app.py", text)
    return file.getvalue()


def _settings(inputs: Inputs) -> dict[str, Any]:
    variables = {"Variables": inputs["environment"]["variables"]}
    return {"FunctionName": inputs["name"], "Environment": variables, **_named(inputs, _FUNCTION)}


def _named(inputs: Inputs, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the inputs of these names as AWS calls them; whole numbers come from the engine as floats."""
    given = {name: inputs[name[0].lower() + name[1:]] for name in names}
    return {name: int(value) if isinstance(value, float) else value for name, value in given.items()}
