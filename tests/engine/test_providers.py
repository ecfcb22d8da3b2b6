"""Tests of the stand-in providers, called as Pulumi's engine calls them, but without the engine."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import rpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as messages

from stacks.offline.recording import ACCOUNT
from tests.engine import providers

URN = "urn:pulumi:base.dev::rewards::rewards:network:Network$aws:ec2/vpc:Vpc::network"


@pytest.fixture
def provider() -> Iterator[Any]:
    with providers.serving() as address, grpc.insecure_channel(address) as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)


def struct(**values: Any) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def test_the_engine_may_attach_and_learn_whom_it_speaks_to(provider: Any) -> None:
    provider.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
    assert provider.GetPluginInfo(Empty()).version
    configured = provider.Configure(messages.ConfigureRequest(args=struct(region="us-east-1")))
    assert configured.supportsPreview


def test_a_resource_has_the_same_outputs_whenever_it_is_made(provider: Any) -> None:
    results = [
        provider.Create(messages.CreateRequest(urn=URN, properties=struct(cidrBlock="10.10.0.0/16"))) for _ in range(2)
    ]
    assert results[0] == results[1]
    assert results[0].id.startswith("vpc-")
    outputs = json_format.MessageToDict(results[0].properties)
    assert outputs["cidrBlock"] == "10.10.0.0/16"
    assert outputs["arn"].startswith("arn:aws:ec2:us-east-1:")


def test_a_difference_is_one_of_inputs_and_never_a_replacement(provider: Any) -> None:
    before, after = struct(cidrBlock="10.10.0.0/16"), struct(cidrBlock="10.20.0.0/16")
    answer = provider.Diff(messages.DiffRequest(urn=URN, old_inputs=before, news=after))
    assert (list(answer.diffs), list(answer.replaces)) == (["cidrBlock"], [])
    same = provider.Diff(messages.DiffRequest(urn=URN, old_inputs=before, news=before))
    assert same.changes == messages.DiffResponse.DIFF_NONE


def test_only_the_function_that_the_program_calls_is_answered(provider: Any) -> None:
    answer = provider.Invoke(messages.InvokeRequest(tok="aws:index/getCallerIdentity:getCallerIdentity"))
    assert json_format.MessageToDict(getattr(answer, "return"))["accountId"] == ACCOUNT
    with pytest.raises(grpc.RpcError, match="no answer to aws:index/getZones"):
        provider.Invoke(messages.InvokeRequest(tok="aws:index/getZones:getZones"))


def test_a_secret_input_is_unwrapped_and_its_output_secret_again(provider: Any) -> None:
    secret = {rpc._special_sig_key: rpc._special_secret_sig, "value": "10.10.0.0/16"}
    created = provider.Create(messages.CreateRequest(urn=URN, properties=struct(cidrBlock=secret)))
    assert json_format.MessageToDict(created.properties)["cidrBlock"] == secret


def test_what_does_not_exist_yet_is_unknown_in_a_preview(provider: Any) -> None:
    created = provider.Create(
        messages.CreateRequest(urn=URN, properties=struct(cidrBlock="10.10.0.0/16"), preview=True)
    )
    outputs = json_format.MessageToDict(created.properties)
    assert (outputs["cidrBlock"], outputs["arn"]) == ("10.10.0.0/16", rpc.UNKNOWN)


def test_each_change_is_told_before_it_is_kept_and_fails_with_whoever_is_told() -> None:
    changes: list[tuple[str, str, Any]] = []

    def happens(token: str, action: str, inputs: Any) -> None:
        changes.append((token, action, inputs["cidrBlock"]))
        if inputs["cidrBlock"] == "none":
            raise ValueError("not a range")

    world = providers.World(happens=happens)
    with providers.serving(world) as address, grpc.insecure_channel(address) as channel:
        provider = provider_pb2_grpc.ResourceProviderStub(channel)
        created = provider.Create(messages.CreateRequest(urn=URN, properties=struct(cidrBlock="1")))
        provider.Create(messages.CreateRequest(urn=URN, properties=struct(cidrBlock="1"), preview=True))
        with pytest.raises(grpc.RpcError, match="not a range"):
            provider.Update(messages.UpdateRequest(urn=URN, id=created.id, news=struct(cidrBlock="none")))
        assert world.made[URN] == {"cidrBlock": "1"}
        provider.Delete(messages.DeleteRequest(id=created.id, urn=URN))
    actions = [("create", "1"), ("update", "none"), ("delete", "1")]
    assert changes == [("aws:ec2/vpc:Vpc", action, cidr) for action, cidr in actions]


def test_the_world_holds_what_was_made_and_not_what_was_refused_or_deleted() -> None:
    world = providers.World(refuses=lambda token, _: "too many of them" if token.endswith("Subnet") else None)
    with providers.serving(world) as address, grpc.insecure_channel(address) as channel:
        provider = provider_pb2_grpc.ResourceProviderStub(channel)
        created = provider.Create(messages.CreateRequest(urn=URN, properties=struct(cidrBlock="10.10.0.0/16")))
        with pytest.raises(grpc.RpcError, match="too many of them"):
            provider.Create(messages.CreateRequest(urn=URN.replace("vpc:Vpc", "subnet:Subnet"), properties=struct()))
        assert world.of("base.dev") == {URN}
        assert provider.Read(messages.ReadRequest(id=created.id, urn=URN)).id == created.id
        provider.Delete(messages.DeleteRequest(id=created.id, urn=URN))
        assert not world.of("base.dev")
        assert not provider.Read(messages.ReadRequest(id=created.id, urn=URN)).id
