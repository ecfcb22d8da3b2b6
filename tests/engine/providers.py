"""Stand-ins for the AWS, EKS and Kubernetes providers, to which the real engine attaches (PULUMI_DEBUG_PROVIDERS).

They speak the providers' protocol and make nothing: ids and outputs are those of the recording monitor, so the engine
does its own work (settings, order, diffs, protection, state, references between stacks) on the whole program.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, resource_pb2, resource_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as messages

from stacks.offline.recording import ACCOUNT, Resource, answer

REGION = "us-east-1"
PACKAGES = ("aws", "eks", "kubernetes")


class MakesNothing(provider_pb2_grpc.ResourceProviderServicer):
    """One server for all packages: a resource's type names its package."""

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
        return messages.ConfigureResponse(supportsPreview=True)

    def Invoke(self, request: Any, context: Any) -> Any:
        if request.tok != "aws:index/getCallerIdentity:getCallerIdentity":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no answer to {request.tok}")
        identity = {"accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "id": ACCOUNT, "userId": ACCOUNT}
        return messages.InvokeResponse(**{"return": _struct(identity)})

    def Check(self, request: Any, context: Any) -> Any:
        return messages.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:
        before, after = _plain(request.old_inputs), _plain(request.news)
        keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        same = messages.DiffResponse.DIFF_NONE
        return messages.DiffResponse(changes=messages.DiffResponse.DIFF_SOME if keys else same, diffs=keys)

    def Create(self, request: Any, context: Any) -> Any:
        id_, outputs = answer(_resource(request.urn, _plain(request.properties)), REGION)
        return messages.CreateResponse(id=id_, properties=_struct(outputs))

    def Update(self, request: Any, context: Any) -> Any:
        _, outputs = answer(_resource(request.urn, _plain(request.news)), REGION)
        return messages.UpdateResponse(properties=_struct(outputs))

    def Read(self, request: Any, context: Any) -> Any:
        return messages.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Delete(self, request: Any, context: Any) -> Empty:
        return Empty()

    def Construct(self, request: Any, context: Any) -> Any:
        """The EKS component, without children."""
        with grpc.insecure_channel(request.monitorEndpoint) as channel:
            monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
            registered = monitor.RegisterResource(
                resource_pb2.RegisterResourceRequest(
                    type=request.type, name=request.name, parent=request.parent, protect=request.protect
                )
            )
            _, outputs = answer(_resource(registered.urn, _plain(request.inputs)), REGION)
            state = _struct(outputs)
            monitor.RegisterResourceOutputs(
                resource_pb2.RegisterResourceOutputsRequest(urn=registered.urn, outputs=state)
            )
        return messages.ConstructResponse(urn=registered.urn, state=state)


@contextmanager
def serving() -> Iterator[str]:
    """Starts the server; yields its address as `host:port`."""
    server = grpc.server(ThreadPoolExecutor(16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(MakesNothing(), server)
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
    values: dict[str, Any] = json_format.MessageToDict(struct)
    return values


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())
