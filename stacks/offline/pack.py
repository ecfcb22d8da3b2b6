"""Runs the policy pack as Pulumi's engine does: as a separate process that judges recorded resources over gRPC."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import jsonschema
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi.runtime.proto import analyzer_pb2_grpc

from stacks.offline.recording import Resource

FOLDER = Path(__file__).parents[2] / "policies"
_LEVELS = {"advisory": proto.ADVISORY, "mandatory": proto.MANDATORY, "disabled": proto.DISABLED}
_LARGEST = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class InvalidPolicyConfig(ValueError):
    """Raised if the policy pack's configuration does not fit the schema that the pack publishes."""


def config_file(environment: str) -> Path:
    """Returns an environment's file of policy settings, for Pulumi's --policy-pack-config; all previews share one."""
    return FOLDER / "config" / f"{'preview' if environment.startswith('pr-') else environment}.json"


def settings(environment: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(config_file(environment).read_text())
    return config


@dataclass
class Pack:
    """A running policy pack. `policies` holds the descriptions of its policies by name."""

    process: "subprocess.Popen[str]"
    stub: Any
    policies: dict[str, Any]

    def configure(self, config: Mapping[str, Any]) -> None:
        """Sends each policy its settings from `config`, by name; `all` is the default enforcement level."""
        if unknown := set(config) - set(self.policies) - {"all"}:
            raise InvalidPolicyConfig(f"no policy is called {', '.join(sorted(unknown))}")
        request = proto.ConfigureAnalyzerRequest()
        for name, info in self.policies.items():
            own = config.get(name, {})
            own = {"enforcementLevel": own} if isinstance(own, str) else dict(own)
            level = own.pop("enforcementLevel", config.get("all", "mandatory"))
            _check(name, info, level, own)
            request.policyConfig[name].enforcementLevel = _LEVELS[level]
            request.policyConfig[name].properties.update(own)
        self.stub.Configure(request)

    def about(self, resource: Resource, provider: Resource | None) -> Any:
        """Judges one resource by the pack's resource policies; returns Pulumi's AnalyzeResponse, with violations."""
        return self.stub.Analyze(proto.AnalyzeRequest(**_request(resource, provider)))

    def about_stack(self, resources: list[tuple[Resource, Resource | None]]) -> Any:
        """Judges all resources of a stack by the pack's stack policies; returns Pulumi's AnalyzeResponse."""
        requests = [
            proto.AnalyzerResource(
                **_request(resource, provider),
                parent=resource.parent,
                dependencies=sorted(resource.dependencies),
                propertyDependencies={
                    key: proto.AnalyzerPropertyDependencies(urns=sorted(urns)) for key, urns in resource.links.items()
                },
            )
            for resource, provider in resources
        ]
        return self.stub.AnalyzeStack(proto.AnalyzeStackRequest(resources=requests))

    def peak_memory_mb(self) -> float | None:
        """Returns the policy pack process's peak memory, or None where the system does not report it."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return None
        return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), None)


def _check(name: str, info: Any, level: str, own: Mapping[str, Any]) -> None:
    if level not in _LEVELS:
        raise InvalidPolicyConfig(f"{name}: {level} is none of {', '.join(_LEVELS)}")
    schema = {
        "type": "object",
        "properties": json_format.MessageToDict(info.configSchema.properties),
        "additionalProperties": False,
    }
    for error in jsonschema.Draft7Validator(schema).iter_errors(own):
        raise InvalidPolicyConfig(f"{name}: {'.'.join(map(str, error.path)) or 'configuration'}: {error.message}")


def _request(resource: Resource, provider: Resource | None) -> dict[str, Any]:
    request: dict[str, Any] = {
        "type": resource.token,
        "properties": _struct(resource.inputs),
        "urn": resource.urn,
        "name": resource.name,
        "options": proto.AnalyzerResourceOptions(
            protect=resource.protect, ignoreChanges=resource.ignored, parent=resource.parent
        ),
    }
    if provider:
        request["provider"] = proto.AnalyzerProviderResource(
            type=provider.token, properties=_struct(provider.inputs), urn=provider.urn, name=provider.name
        )
    return request


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


@contextmanager
def running(today: date | None = None) -> Iterator[Pack]:
    """Runs the policy pack's server: waits until it prints its port, yields the pack, and stops the server at the end.

    Policies that depend on the date judge as of `today`; None means the current date.
    """
    day = {"REWARDS_POLICY_TODAY": today.isoformat()} if today else {}
    with subprocess.Popen(  # noqa: S603  our own
        [sys.executable, "-u", str(FOLDER)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=FOLDER,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **day},
    ) as process:
        try:
            assert process.stdout  # noqa: S101  it was asked for
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"the policy pack ended before it said its port: {process.wait()}")
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=_LARGEST) as channel:
                stub = analyzer_pb2_grpc.AnalyzerStub(channel)
                policies = stub.GetAnalyzerInfo(empty_pb2.Empty()).policies
                yield Pack(process, stub, {policy.name: policy for policy in policies})
        finally:
            process.terminate()
