"""The policy pack as Pulumi's engine would run it: a process of its own, asked over gRPC about what was recorded."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
    """A pack's configuration that its own schema refuses."""


def config_file(environment: str) -> Path:
    """Previews share theirs. The engine takes it by --policy-pack-config."""
    return FOLDER / "config" / f"{'preview' if environment.startswith('pr-') else environment}.json"


def settings(environment: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config_file(environment).read_text())
    return found


@dataclass
class Pack:
    """A pack that runs. `policies` is what it says of each, by name."""

    process: "subprocess.Popen[str]"
    stub: Any
    policies: dict[str, Any]

    def configure(self, given: Mapping[str, Any]) -> None:
        """As the engine does with a file: `all` is the level of what is not named. Raises InvalidPolicyConfig."""
        if unknown := set(given) - set(self.policies) - {"all"}:
            raise InvalidPolicyConfig(f"no policy is called {', '.join(sorted(unknown))}")
        asked = proto.ConfigureAnalyzerRequest()
        for name, info in self.policies.items():
            own = given.get(name, {})
            own = {"enforcementLevel": own} if isinstance(own, str) else dict(own)
            level = own.pop("enforcementLevel", given.get("all", "mandatory"))
            _check(name, info, level, own)
            asked.policyConfig[name].enforcementLevel = _LEVELS[level]
            asked.policyConfig[name].properties.update(own)
        self.stub.Configure(asked)

    def about(self, resource: Resource, provider: Resource | None) -> Any:
        """What the resource policies say of one."""
        return self.stub.Analyze(proto.AnalyzeRequest(**_told(resource, provider)))

    def about_stack(self, resources: list[tuple[Resource, Resource | None]]) -> Any:
        """What the stack policies say of all of a stack's."""
        told = [
            proto.AnalyzerResource(
                **_told(resource, provider),
                parent=resource.parent,
                dependencies=sorted(resource.dependencies),
                propertyDependencies={
                    key: proto.AnalyzerPropertyDependencies(urns=sorted(urns)) for key, urns in resource.links.items()
                },
            )
            for resource, provider in resources
        ]
        return self.stub.AnalyzeStack(proto.AnalyzeStackRequest(resources=told))

    def peak_memory_mb(self) -> float | None:
        """Where the system tells (Linux)."""
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


def _told(resource: Resource, provider: Resource | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": resource.token,
        "properties": _struct(resource.inputs),
        "urn": resource.urn,
        "name": resource.name,
        "options": proto.AnalyzerResourceOptions(
            protect=resource.protect, ignoreChanges=resource.ignored, parent=resource.parent
        ),
    }
    if provider:
        told["provider"] = proto.AnalyzerProviderResource(
            type=provider.token, properties=_struct(provider.inputs), urn=provider.urn, name=provider.name
        )
    return told


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


@contextmanager
def running() -> Iterator[Pack]:
    """Starts the pack, waits for its port, and ends it."""
    with subprocess.Popen(  # noqa: S603  our own
        [sys.executable, "-u", str(FOLDER)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=FOLDER,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    ) as process:
        try:
            assert process.stdout  # noqa: S101  it was asked for
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"the policy pack ended before it said its port: {process.wait()}")
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=_LARGEST) as channel:
                stub = analyzer_pb2_grpc.AnalyzerStub(channel)
                told = stub.GetAnalyzerInfo(empty_pb2.Empty()).policies
                yield Pack(process, stub, {policy.name: policy for policy in told})
        finally:
            process.terminate()
