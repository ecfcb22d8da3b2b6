"""Tests of the whole Pulumi program on the real engine: settings, order, state, references, refusals.

Providers are stand-ins (tests.engine.providers), state is a folder: no account, no network.
"""

import pytest
from pulumi import automation as auto

from stacks.offline.recording import Graph
from stacks.settings import Layer
from tests.engine import providers
from tests.engine.conftest import NEEDS_ENGINE, ROOT, Open
from tests.stacks.graphs import graph_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    NEEDS_ENGINE,
]


@pytest.fixture(scope="module")
def dev(stack: Open) -> dict[Layer, auto.Stack]:
    opened = {layer: stack(f"{layer}.dev") for layer in Layer}
    for stack_ in opened.values():
        stack_.up()
    return opened


def resources_of(stack: auto.Stack) -> dict[str, dict[str, object]]:
    """Return the program's resources in the engine's state by URN, without those that pulumi_eks makes."""
    resources = (stack.export_stack().deployment or {}).get("resources", [])
    engines = ("pulumi:pulumi:", "pulumi:providers:")
    return {
        resource["urn"]: resource
        for resource in resources
        if not resource["type"].startswith(engines) and "eks:index:Cluster$" not in resource["urn"]
    }


def recorded(graph: Graph, name: str) -> dict[str, bool]:
    resources = [
        resource for resource in graph.resources if resource.stack == name and not resource.token.startswith("pulumi:")
    ]
    return {resource.urn: resource.protect for resource in resources}


def test_the_recorded_graph_is_what_the_engine_makes(dev: dict[Layer, auto.Stack]) -> None:
    for layer in Layer:
        of_engine = {urn: bool(resource.get("protect")) for urn, resource in resources_of(dev[layer]).items()}
        assert of_engine == recorded(graph_of("dev"), f"{layer}.dev")


def test_a_second_update_changes_nothing(dev: dict[Layer, auto.Stack]) -> None:
    for layer in Layer:
        assert set(dev[layer].up().summary.resource_changes or {}) == {auto.OpType.SAME}


def test_another_size_updates_in_place(dev: dict[Layer, auto.Stack]) -> None:
    data = dev[Layer.DATA]
    data.set_config("rewards:ledgerMaxAcu", auto.ConfigValue("8"))
    changes = data.preview().change_summary
    data.set_config("rewards:ledgerMaxAcu", auto.ConfigValue("4"))
    assert {kind: count for kind, count in changes.items() if kind != "same"} == {"update": 1}


def test_the_policy_pack_lets_a_preview_pass(dev: dict[Layer, auto.Stack]) -> None:
    pack = ROOT / "policies"
    dev[Layer.BASE].preview(policy_packs=[str(pack)], policy_pack_configs=[str(pack / "config" / "dev.json")])


def test_settings_that_cannot_work_are_one_message_before_any_resource(stack: Open) -> None:
    base = stack("base.prod")
    base.set_all_config({"rewards:nat": auto.ConfigValue("single"), "rewards:recoveryRegion": auto.ConfigValue("mars")})
    with pytest.raises(auto.CommandError) as refused:
        base.up()
    base.remove_all_config(["rewards:nat", "rewards:recoveryRegion"])
    message = str(refused.value)
    assert "the settings of base.prod can't be used" in message
    assert "rewards:nat: single" in message
    assert "rewards:recoveryRegion: another of" in message
    assert "Traceback" not in message
    assert not resources_of(base)


def test_prod_refuses_to_be_destroyed(stack: Open) -> None:
    base = stack("base.prod")
    base.set_config("rewards:nat", auto.ConfigValue("per-zone"))
    base.up()
    before = resources_of(base)
    with pytest.raises(auto.CommandError, match="protect"):
        base.destroy()
    kept = {urn for urn, protect in recorded(graph_of("prod"), "base.prod").items() if protect}
    assert kept
    assert kept <= set(resources_of(base)) <= set(before)


def test_layers_come_down_the_other_way_round(dev: dict[Layer, auto.Stack], world: providers.World) -> None:
    for layer in reversed(Layer):
        assert world.of(f"{layer}.dev")
        dev[layer].destroy()
        assert not resources_of(dev[layer])
        assert not world.of(f"{layer}.dev")
