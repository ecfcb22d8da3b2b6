"""Stand-ins for the AWS, EKS and Kubernetes providers, to which Pulumi's real engine attaches (PULUMI_DEBUG_PROVIDERS).

They speak the providers' protocol, and keep the resources that they make in a `World`, which tests can read. Ids and
outputs are made up as in `stacks.offline.recording`, so the engine does its own work (settings, order, diffs,
protection, state, references between stacks) on the whole program. In a preview, computed outputs of resources that do
not exist yet are unknown, as with AWS. Inputs that violate the provider's schema are refused (tests.engine.schema).
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import rpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, resource_pb2, resource_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as messages

from stacks.offline.recording import ACCOUNT, Resource, answer
from tests.engine import schema

REGION = "us-east-1"
PACKAGES = ("aws", "eks", "kubernetes")
_SIGNATURE = rpc._special_sig_key  # the key that marks a wrapped value on the wire
_ENGINES_OWN = ("__defaults", "__internal")


@dataclass
class World:
    """The resources that exist, with their inputs by URN, and the values in Parameter Store, by name.

    `refuses` returns why a resource can't be made, or None. `happens` is called with a type, `create`, `update` or
    `delete`, and the inputs, before a change is kept; what it raises fails the change. `kubeconfig` is an output of the
    EKS cluster; without one, Kubernetes' resources exist only in this object. `names` are those that the engine
    generates by a stack's own pattern, by URN.
    """

    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    refuses: Callable[[str, Mapping[str, Any]], str | None] = lambda _token, _inputs: None
    happens: Callable[[str, str, Mapping[str, Any]], None] = lambda _token, _action, _inputs: None
    kubeconfig: str | None = None
    names: dict[str, str] = field(default_factory=dict)

    def stored(self) -> dict[str, str]:
        """Return Parameter Store's values by name: what a pipeline wrote, and what stacks made."""
        parameters = [inputs for urn, inputs in self.made.items() if "aws:ssm/parameter:Parameter::" in urn]
        return dict([*((inputs["name"], inputs["value"]) for inputs in parameters), *self.parameters.items()])

    def outputs(self, urn: str) -> dict[str, Any]:
        """Return the outputs of a resource that exists."""
        return self.answer(urn, self.made[urn])[1]

    def answer(self, urn: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the id and the outputs that a resource has, made up."""
        return answer(_resource(urn, inputs), REGION, *([self.names[urn]] if urn in self.names else []))

    def of(self, stack: str) -> set[str]:
        return {urn for urn in self.made if urn.startswith(f"urn:pulumi:{stack}::")}


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The stand-in provider for AWS, EKS and Kubernetes; a resource's type names its package."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answering = threading.Lock()

    def Attach(self, request: Any, context: Any) -> Empty:
        return Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="0.0.0")

    def GetSchema(self, request: Any, context: Any) -> Any:
        return messages.GetSchemaResponse(schema="{}")

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return messages.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return messages.DiffResponse(changes=messages.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        # Without acceptSecrets the engine refuses the EKS component, some of whose inputs are secret.
        features = {"acceptSecrets": True, "supportsPreview": True, "supports_autonaming_configuration": True}
        return messages.ConfigureResponse(**features)

    def Invoke(self, request: Any, context: Any) -> Any:
        match request.tok:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                root = f"arn:aws:iam::{ACCOUNT}:root"
                result: dict[str, Any] = {"accountId": ACCOUNT, "arn": root, "id": ACCOUNT, "userId": ACCOUNT}
            case "aws:ssm/getParametersByPath:getParametersByPath":
                folder = _plain(request.args)["path"]
                held = {name: text for name, text in self._world.stored().items() if name.startswith(f"{folder}/")}
                result = {"names": list(held), "values": list(held.values())}
            case _:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no answer to {request.tok}")
        return messages.InvokeResponse(**{"return": _struct(result)})

    def Check(self, request: Any, context: Any) -> Any:
        inputs = _plain(request.news)
        if request.autonaming.proposed_name:
            self._world.names.setdefault(request.urn, request.autonaming.proposed_name)
        failures = [
            messages.CheckFailure(property=key, reason=f"{key} {why}")
            for key, why in self._refused(_resource(request.urn, inputs).token, inputs)
        ]
        return messages.CheckResponse(inputs=request.news, failures=failures)

    def _refused(self, token: str, inputs: dict[str, Any]) -> list[tuple[str, str]]:
        with self._answering:
            return list(schema.failures(token, inputs))

    def Diff(self, request: Any, context: Any) -> Any:
        before, after = _plain(request.old_inputs), _plain(request.news)
        keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        same = messages.DiffResponse.DIFF_NONE
        return messages.DiffResponse(changes=messages.DiffResponse.DIFF_SOME if keys else same, diffs=keys)

    def Create(self, request: Any, context: Any) -> Any:
        inputs = _plain(request.properties)
        if why := self._world.refuses(_resource(request.urn, inputs).token, inputs):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, why)
        id_, outputs = self._answer(request.urn, inputs)
        if request.preview:
            unknown = {key: rpc.UNKNOWN for key in outputs if key not in inputs}
            return messages.CreateResponse(properties=_kept_secret({**inputs, **unknown}, request.properties))
        self._world.happens(_resource(request.urn, inputs).token, "create", inputs)
        self._world.made[request.urn] = inputs
        return messages.CreateResponse(id=id_, properties=_kept_secret(outputs, request.properties))

    def Update(self, request: Any, context: Any) -> Any:
        inputs = _plain(request.news)
        if why := self._world.refuses(_resource(request.urn, inputs).token, inputs):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, why)
        if not request.preview:
            self._world.happens(_resource(request.urn, inputs).token, "update", inputs)
            self._world.made[request.urn] = inputs
        return messages.UpdateResponse(properties=_kept_secret(self._answer(request.urn, inputs)[1], request.news))

    def Read(self, request: Any, context: Any) -> Any:
        if request.urn not in self._world.made:
            return messages.ReadResponse()
        return messages.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Delete(self, request: Any, context: Any) -> Empty:
        inputs = self._world.made.get(request.urn)
        if inputs is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.urn} does not exist")
        else:
            self._world.happens(_resource(request.urn, inputs).token, "delete", inputs)
            del self._world.made[request.urn]
        return Empty()

    def Construct(self, request: Any, context: Any) -> Any:
        """Register the EKS component without inputs, as pulumi_eks does, and the EKS cluster that it makes."""
        inputs = _plain(request.inputs)
        if failures := self._refused(request.type, inputs):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "; ".join(f"{key} {why}" for key, why in failures))
        with grpc.insecure_channel(request.monitorEndpoint) as channel:
            monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
            registered = monitor.RegisterResource(
                resource_pb2.RegisterResourceRequest(
                    type=request.type, name=request.name, parent=request.parent, protect=request.protect
                )
            )
            _, outputs = self._answer(registered.urn, inputs)
            monitor.RegisterResource(
                resource_pb2.RegisterResourceRequest(
                    type="aws:eks/cluster:Cluster",
                    name=f"{request.name}-eksCluster",
                    parent=registered.urn,
                    custom=True,
                    object=_struct(_cluster(inputs, outputs["autoModeNodeRoleName"])),
                    provider=request.providers["aws"],
                    protect=request.protect,
                    acceptSecrets=True,
                )
            )
            state = _struct(outputs)
            monitor.RegisterResourceOutputs(
                resource_pb2.RegisterResourceOutputsRequest(urn=registered.urn, outputs=state)
            )
        return messages.ConstructResponse(urn=registered.urn, state=state)

    def _answer(self, urn: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        with self._answering:  # pulumi_aws loads a module when it is first named, which two threads at once break
            id_, outputs = self._world.answer(urn, inputs)
        if self._world.kubeconfig and "kubeconfigJson" in outputs:
            outputs["kubeconfigJson"] = self._world.kubeconfig
        return id_, outputs


def _cluster(component: Mapping[str, Any], node_role: str) -> dict[str, Any]:
    """Return the inputs of the EKS cluster that pulumi_eks makes, as far as AWS requires or policies check them."""
    same = ("name", "version", "enabledClusterLogTypes", "deletionProtection", "upgradePolicy")
    network = ("endpointPrivateAccess", "endpointPublicAccess", "publicAccessCidrs")
    return {
        **{key: component[key] for key in same if key in component},
        "roleArn": component.get("serviceRole", f"arn:aws:iam::{ACCOUNT}:role/eks-cluster"),
        "vpcConfig": {
            "subnetIds": [*component.get("privateSubnetIds", ()), *component.get("publicSubnetIds", ())],
            **{key: component[key] for key in network if key in component},
        },
        "accessConfig": {"authenticationMode": component.get("authenticationMode")},
        "computeConfig": {
            "enabled": True,
            "nodePools": component["autoMode"]["computeConfig"]["nodePools"],
            "nodeRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{node_role}",
        },
        "encryptionConfig": {
            "provider": {"keyArn": component.get("encryptionConfigKeyArn")},
            "resources": ["secrets"],
        },
    }


@contextmanager
def serving(world: World | None = None) -> Iterator[str]:
    """Start the stand-in provider's server and yield its address as `host:port`."""
    server = grpc.server(ThreadPoolExecutor(16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(world or World()), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


def _resource(urn: str, inputs: dict[str, Any]) -> Resource:
    _, _, stack_and_rest = urn.partition("urn:pulumi:")
    stack, _, kinds, name = stack_and_rest.split("::", 3)
    return Resource(urn, kinds.split("$")[-1], name, stack, inputs, "", frozenset(), "", False, (), True)


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return the values with secrets unwrapped, at any depth, and without the engine's internal ones."""
    values = _unwrapped(json_format.MessageToDict(struct))
    return {key: value for key, value in values.items() if key not in _ENGINES_OWN}


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == rpc._special_secret_sig:
            return _unwrapped(value["value"])
        return {key: _unwrapped(item) for key, item in value.items()}
    return [_unwrapped(item) for item in value] if isinstance(value, list) else value


def _kept_secret(outputs: dict[str, Any], inputs: struct_pb2.Struct) -> struct_pb2.Struct:
    """Return the outputs, each marked secret whose input of the same name is secret."""
    given = json_format.MessageToDict(inputs)
    secret = {key for key, value in given.items() if _holds_secret(value)}
    return _struct(
        {
            key: {_SIGNATURE: rpc._special_secret_sig, "value": value} if key in secret else value
            for key, value in outputs.items()
        }
    )


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get(_SIGNATURE) == rpc._special_secret_sig or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())
