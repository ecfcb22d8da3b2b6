"""Types of resources: each that the program makes in any setting is judged, or says why it needs no rule."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from policies.rules import types
from policies.rules.rule import Subject
from stacks.offline import pack
from stacks.settings import Layer
from stacks.sizes import Size
from tests.policies.cases import RULES
from tests.stacks.graphs import ENVIRONMENTS, graph_of, preview_on_dev

LISTED = types.read()


@pytest.fixture(scope="module")
def program_types() -> set[str]:
    """Return all resource types of the environments, all sizes, a preview, and both engines of ledger and warehouse."""
    below = (Layer.BASE, Layer.DATA, Layer.CLUSTER)
    graphs = [*map(graph_of, ENVIRONMENTS), preview_on_dev(), *(graph_of("prod", below, size=size) for size in Size)]
    graphs += [
        graph_of("dev", (Layer.BASE, Layer.DATA), warehouseEngine=engine) for engine in ("serverless", "cluster")
    ]
    graphs += [graph_of("dev", (Layer.BASE, Layer.DATA), ledgerEngine=engine) for engine in ("qldb", "aurora")]
    return {resource.token for graph in graphs for resource in graph.resources}


def test_every_type_that_the_program_makes_is_judged_or_says_why_not(program_types: set[str]) -> None:
    assert len(program_types) > 150
    assert {
        it for it in program_types if not LISTED.has(it) and not any(rule.names(it) for rule in RULES.values())
    } == set()


def test_no_row_is_of_a_type_that_nobody_makes_or_that_a_rule_names(program_types: set[str]) -> None:
    rows = {*LISTED.by, *LISTED.none}
    of_the_engine = {"pulumi:pulumi:", "pulumi:providers:eks", "pulumi:providers:pulumi", "eks:index:ServiceRole"}
    assert {row for row in rows if not any(it.startswith(row) for it in program_types)} == of_the_engine
    assert {row for row in rows if any(rule.names(row) for rule in RULES.values())} == set()


def test_rules_that_a_row_names_are_in_the_pack_and_judge_it_or_what_it_is_about() -> None:
    assert LISTED.by
    for type_, names in LISTED.by.items():
        assert all(RULES[name].about(type_) or RULES[name].looks_at_stack for name in names), type_


@pytest.mark.parametrize("row", ['by = {"a:b:C" = []}\nnone = {}', 'by = {}\nnone = {"a:b:C" = ""}'])
def test_a_row_without_rules_or_reason_is_refused(row: str, tmp_path: Path) -> None:
    (tmp_path / "types.toml").write_text(row)
    with pytest.raises(ValueError, match="a:b:C"):
        types.read(tmp_path / "types.toml")


def _subject(type_: str, props: Mapping[str, Any]) -> Subject:
    return Subject(type_, "it", f"urn:pulumi:base.prod::rewards::{type_}::it", props)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_policies_call_each_account_ours_that_an_environments_settings_name(environment: str) -> None:
    named = {
        account
        for resource in graph_of(environment).resources
        if RULES["account-is-ours"].about(resource.token)
        for account in RULES["account-is-ours"].judge(_subject(resource.token, resource.inputs)).faults
    }
    ours = pack.settings(environment).get("account-is-ours", {}).get("accounts", [])
    assert named <= {f"it names account {account}, which is not ours" for account in ours}
