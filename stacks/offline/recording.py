"""Runs layers in memory and records the resources that they register: no engine, no account, no network.

Pulumi's own mock monitor receives the requests. Each resource is recorded with its parent, dependencies and protection.
Its ids and ARNs are made up from its type, so that dependent resources can register. StackReferences of later layers
read the recorded exports.
"""

import asyncio
import hashlib
import importlib
import json
import threading
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi import _types
from pulumi.runtime import mocks, rpc
from pulumi.runtime.settings import set_root_resource

from stacks.settings import PROJECT

ACCOUNT = "123456789012"
ORGANIZATION = "organization"
_NAMING = "${name}-${hex(7)}"  # Pulumi's own
# How AWS builds the ARN of a type whose resources something names by pattern: service, what precedes the name, what
# follows it.
_SHAPES = {
    "aws:cloudwatch/logGroup:LogGroup": ("logs", "log-group:", ""),
    "aws:kinesis/stream:Stream": ("kinesis", "stream/", ""),
    "aws:lambda/alias:Alias": ("lambda", "function:{functionName}:", ""),
    "aws:lambda/function:Function": ("lambda", "function:", ""),
    "aws:lb/targetGroup:TargetGroup": ("elasticloadbalancing", "targetgroup/", "/50dc6c495c0c9188"),
    "aws:secretsmanager/secret:Secret": ("secretsmanager", "secret:", ""),
}


@dataclass(frozen=True)
class Resource:
    """A recorded resource. `inputs` has plain values by camelCase keys; an asset is replaced by its class's name."""

    urn: str
    token: str
    name: str
    stack: str
    inputs: Mapping[str, Any]
    parent: str
    dependencies: frozenset[str]
    provider: str
    protect: bool
    ignored: tuple[str, ...]
    custom: bool
    links: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The URNs that each property's value comes from."""

    @property
    def layer(self) -> str:
        return self.stack.partition(".")[0]


@dataclass(frozen=True)
class Graph:
    """The recorded resources of all stacks, in order of registration, and the exports of each stack."""

    resources: tuple[Resource, ...] = ()
    exports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, *tokens: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.token in tokens]

    def named(self, token: str, name: str) -> Resource:
        (resource_named,) = (resource for resource in self.of(token) if resource.name == name)
        return resource_named

    def by_urn(self) -> dict[str, Resource]:
        return {resource.urn: resource for resource in self.resources}


def record(
    stack: str,
    program: Callable[[], None],
    config: Mapping[str, str] | None = None,
    onto: Graph | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Graph:
    """Runs `program` as the stack `stack`, and returns the graph `onto` plus the resources that it registers.

    `parameters` are values in Parameter Store by name, added to those that stacks wrote. Raises what the program
    raises.
    """
    before = onto or Graph()
    written = {made.inputs["name"]: made.inputs["value"] for made in before.of("aws:ssm/parameter:Parameter")}
    known = {**written, **(parameters or {})}
    recorder = _Recorder(stack, before.exports, dict(config or {}), known)
    try:
        asyncio.run(_run(recorder, program, dict(config or {})))
    finally:
        for loop in recorder.loops:
            loop.close()
    exports = {**before.exports, stack: recorder.exported}
    return Graph((*before.resources, *recorder.resources), exports)


async def _run(recorder: "_Recorder", program: Callable[[], None], config: dict[str, str]) -> None:
    # One failure fails every task that waits for it: only the first is raised.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    monitor = _Monitor(recorder)
    recorder.urn = monitor.make_urn
    mocks.set_mocks(
        recorder, project=PROJECT, stack=recorder.stack, preview=False, monitor=monitor, organization=ORGANIZATION
    )
    set_root_resource(None)  # type: ignore[arg-type]  # run_in_stack makes the stack itself
    pulumi.runtime.set_all_config(config, [])
    await pulumi.runtime.run_in_stack(program)


class _Monitor(mocks.MockMonitor):
    """A mock monitor that keeps raw requests for the recorder: Pulumi's mocks see neither parent nor dependencies."""

    def __init__(self, recorder: "_Recorder") -> None:
        super().__init__(recorder)
        self._recorder = recorder

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Returns a URN with all ancestors' types, as Pulumi's engine does; the SDK's mock has only the parent's."""
        above = parent.split("::")[2] if parent else ""
        kind = f"{above}${type_}" if above not in {"", "pulumi:pulumi:Stack"} else type_
        return f"urn:pulumi:{self._recorder.stack}::{PROJECT}::{kind}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        with self._recorder.answering(request):
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        with self._recorder.answering(request):
            return super().ReadResource(request)  # type: ignore[no-untyped-call]

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        with self._recorder.answering(request):
            return super().Invoke(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        if "::pulumi:pulumi:Stack::" in request.urn:
            self._recorder.exported = _plain(rpc.deserialize_properties(request.outputs))
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


class _Recorder(mocks.Mocks):
    def __init__(
        self,
        stack: str,
        exports: Mapping[str, Mapping[str, Any]],
        config: Mapping[str, str],
        parameters: Mapping[str, str],
    ) -> None:
        self.stack, self.parameters = stack, parameters
        self.region = config.get("aws:region", "us-east-1")
        self.naming = json.loads(config.get("pulumi:autonaming", "{}")).get("pattern", _NAMING)
        self.below = exports
        self.resources: list[Resource] = []
        self.urns: set[str] = set()
        self.exported: dict[str, Any] = {}
        self.request: Any = None
        self.urn: Callable[[str, str, str], str]
        self.lock = threading.RLock()
        self.loops: set[asyncio.AbstractEventLoop] = set()

    @contextmanager
    def answering(self, request: Any) -> Iterator[None]:
        """Handles one request at a time, in an event loop that `record` closes later: the SDK never closes its own."""
        with self.lock:
            self.request = request
            try:
                asyncio.get_event_loop_policy().get_event_loop()
            except RuntimeError:
                loop = asyncio.new_event_loop()
                asyncio.set_event_loop(loop)
                self.loops.add(loop)
            yield

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answers the two provider functions that the program calls: the caller's identity, and Parameter Store."""
        match args.token:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                who = {"accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "id": ACCOUNT, "userId": ACCOUNT}
                return who, []
            case "aws:ssm/getParametersByPath:getParametersByPath":
                below = {name: value for name, value in self.parameters.items() if name.startswith(args.args["path"])}
                return {"names": list(below), "values": list(below.values())}, []
            case _:
                raise NotImplementedError(f"no answer to {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        urn = self.urn(self.request.parent, args.typ, args.name)
        if urn in self.urns:
            raise ValueError(f"duplicate resource URN {urn}, which Pulumi's engine would refuse")
        self.urns.add(urn)
        if args.typ == "pulumi:pulumi:StackReference":
            return self._reference(str(args.inputs["name"]))
        inputs = _plain(args.inputs)
        resource = Resource(
            urn=urn,
            token=args.typ,
            name=args.name,
            stack=self.stack,
            inputs=inputs,
            parent=self.request.parent,
            dependencies=frozenset(self.request.dependencies),
            provider=args.provider or "",
            protect=bool(self.request.protect),
            ignored=tuple(self.request.ignoreChanges),
            custom=bool(args.custom),
            links={
                key: frozenset(sources.urns)
                for key, sources in self.request.propertyDependencies.items()
                if sources.urns
            },
        )
        self.resources.append(resource)
        return answer(resource, self.region, self.naming)

    def _reference(self, name: str) -> tuple[str, dict[str, Any]]:
        stack = name.rsplit("/", 1)[-1]
        if stack not in self.below:
            raise LookupError(f"{self.stack} stands on {stack}, which has not run")
        return name, {"name": name, "outputs": dict(self.below[stack]), "secretOutputNames": []}


def unique(urn: str) -> str:
    """Returns a hash of a URN. A resource's made-up ids and ARNs contain, after a dash, 7 or more of its letters."""
    return hashlib.sha256(urn.encode()).hexdigest()


def answer(resource: Resource, region: str, naming: str = _NAMING) -> tuple[str, dict[str, Any]]:
    """Returns an id and outputs for a resource as its provider might, made up from its type and URN.

    `naming` is the pattern of the names that Pulumi generates.
    """
    hashed = unique(resource.urn)
    if resource.token == "eks:index:Cluster":  # noqa: S105
        return "", {**resource.inputs, **_cluster_outputs(resource.name, hashed)}
    if resource.token.startswith("kubernetes:"):
        metadata = {"name": resource.name, "namespace": "default", **resource.inputs.get("metadata", {})}
        return f"{metadata['namespace']}/{metadata['name']}", {**resource.inputs, "metadata": metadata}
    if resource.token.startswith("aws:"):
        aws = _Aws(resource, hashed, region, naming)
        return aws.id, aws.outputs()
    return f"{resource.name}-{hashed[:7]}" if resource.custom else "", dict(resource.inputs)


def _cluster_outputs(name: str, unique: str) -> dict[str, Any]:
    """Returns made-up outputs of pulumi_eks's cluster component, because its own process is not run."""
    return {
        "autoModeNodeRoleName": f"{name}-nodeRole-{unique[:7]}",
        "clusterSecurityGroupId": f"sg-{unique[:17]}",
        "kubeconfigJson": json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": name}),
        "oidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{unique[:8]}",
    }


@dataclass(frozen=True)
class _Aws:
    """Makes up an AWS resource's outputs: its inputs, and an invented text for each other output of type str."""

    resource: Resource
    unique: str
    region: str
    naming: str

    @property
    def id(self) -> str:
        return f"{self.resource.token.rsplit(':', 1)[-1].lower()}-{self.unique[:17]}"

    def outputs(self) -> dict[str, Any]:
        package, module_file, kind = self.resource.token.split(":")
        module = module_file.split("/")[0]
        if package == "pulumi" or module == "index":
            return dict(self.resource.inputs)
        name = {"lambda": "lambda_"}.get(module, module)
        class_ = getattr(importlib.import_module(f"pulumi_aws.{name}"), kind)
        return self._filled(_types.resource_types(class_), self.resource.inputs, module, nested=True)

    def _filled(self, kinds: Mapping[str, Any], inputs: Mapping[str, Any], module: str, nested: bool) -> dict[str, Any]:
        out = dict(inputs)
        for key, kind in kinds.items():
            if key not in out and (value := self._value(key, _types.unwrap_type(kind), module, nested)) is not None:
                out[key] = value
        return out

    def _value(self, key: str, kind: Any, module: str, nested: bool) -> Any:
        if kind is str:
            return self._text(key, module)
        inner = typing.get_args(kind)
        if not nested or typing.get_origin(kind) not in (list, Sequence) or not isinstance(inner[0], type):
            return None
        if _types.is_output_type(inner[0]):
            return [self._filled(_types.output_type_types(inner[0]), {}, module, nested=False)]
        return [self._text(key, module)] if inner[0] is str else None

    def _text(self, key: str, module: str) -> str:
        name = self.naming.replace("${name}", self.resource.name).replace("${hex(7)}", self.unique[:7])
        if key == "arn" and self.resource.token in _SHAPES:
            service, kind, end = _SHAPES[self.resource.token]
            kind = kind.format_map(self.resource.inputs)
            given = self.resource.inputs.get("name")
            own = f"{given}-{self.unique[:7]}" if given else name
            return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{kind}{own}{end}"
        if key.lower().endswith("arn"):
            place = "::" if module == "s3" else f":{self.region}:{ACCOUNT}"
            return f"arn:aws:{module}:{place.lstrip(':') if module != 's3' else place}:{name}"
        if key.lower().endswith(("endpoint", "dnsname", "address")):
            return f"{name}.{module}.{self.region}.amazonaws.com"
        return name if key == "name" else f"{name}-{key}"


def _plain(value: Any) -> Any:
    """Returns a value with secrets unwrapped and whole floats as integers: Pulumi sends all numbers as floats."""
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return type(value).__name__ if isinstance(value, pulumi.Asset | pulumi.Archive) else value
