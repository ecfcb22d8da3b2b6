"""The pack as Pulumi's engine runs it, a process asked over gRPC, on the whole program: strict in prod, no account."""

import json
from datetime import date
from pathlib import Path

import pytest

from policies.rules.waivers import read
from stacks import pack, policy, verdict
from stacks.recording import Graph


@pytest.fixture(scope="module")
def graph() -> Graph:
    return policy.graph_of("prod")


@pytest.mark.slow
def test_prod_holds_strictly(graph: Graph, tmp_path: Path) -> None:
    report = verdict.judge(graph, "prod")
    assert report.holds, report.text()
    assert json.loads(pack.config_file("prod").read_text())["all"] == "mandatory"
    report.write(tmp_path)
    sarif = json.loads((tmp_path / "policy.sarif").read_text())
    assert sarif["version"] == "2.1.0"
    assert sarif["runs"][0]["tool"]["driver"]["rules"]


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["dev", "pr-7"])
def test_dev_and_a_preview_hold_at_their_level(environment: str) -> None:
    report = verdict.judge(policy.graph_of(environment), environment)
    assert report.holds, report.text()


def test_every_waiver_says_why_who_and_until_when() -> None:
    waivers = read()
    assert waivers
    for waiver in waivers:
        assert len(waiver.reason) > 20
        assert waiver.owner
        assert not waiver.holds(date(2999, 1, 1))


def test_an_unknown_environment_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert policy.main(["moon"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
