"""Tests of the policy pack as Pulumi's engine runs it, over gRPC, on the whole program without an account."""

import json
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from policies.rules.crossguard import policy as policy_of
from policies.rules.pack import rules
from policies.rules.rule import Rule, Subject
from policies.rules.waivers import Waiver, read
from stacks.offline import pack, policy, verdict
from stacks.offline.recording import Graph
from tests.policies import good
from tests.policies.cases import TODAY
from tests.stacks.graphs import graph_of


@pytest.fixture(scope="module")
def graph() -> Graph:
    return policy.graph_of("prod")


@pytest.mark.slow
def test_prod_holds_strictly(graph: Graph, tmp_path: Path) -> None:
    report = verdict.judge(graph, "prod", today=TODAY)
    assert report.holds, report.text()
    levels = json.loads(pack.config_file("prod").read_text())
    assert levels.pop("version-ends-soon") == "advisory"
    assert {of["enforcementLevel"] if isinstance(of, dict) else of for of in levels.values()} == {"mandatory"}
    report.write(tmp_path)
    sarif = json.loads((tmp_path / "policy.sarif").read_text())
    assert sarif["version"] == "2.1.0"
    assert sarif["runs"][0]["tool"]["driver"]["rules"]


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["dev", "pr-7"])
def test_dev_and_a_preview_hold_at_their_level(environment: str) -> None:
    report = verdict.judge(policy.graph_of(environment), environment, today=TODAY)
    assert report.holds, report.text()


def test_every_waiver_says_why_who_and_until_when() -> None:
    waivers = read()
    assert waivers
    for waiver in waivers:
        assert len(waiver.reason) > 20
        assert waiver.owner
        assert not waiver.holds(date(2999, 1, 1))


def test_an_unknown_environment_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("moon", "pr-x", "pr-", "pr-0"):
        assert policy.main([name]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_waiver_holds_until_its_day_and_is_a_violation_from_then_on() -> None:
    [waiver] = [candidate for candidate in read() if candidate.resource == "aws:iam/policy:Policy::preview"]
    rule = next(rule for _, rule in rules() if rule.name == "policy-names-resources")
    subject = next(
        candidate
        for stack in good.stacks(graph_of("dev"), "dev")
        for candidate in stack.subjects
        if waiver.covers(candidate.urn, rule.controls)
    )
    assert _messages(rule, waiver, subject, waiver.expires) == []
    messages = _messages(rule, waiver, subject, waiver.expires + timedelta(days=1))
    assert messages
    assert all(f"its waiver expired on {waiver.expires}" in message for message in messages)


def _messages(rule: Rule, waiver: Waiver, subject: Subject, today: date) -> list[str]:
    """Return the messages that a rule's policy reports for a resource on a day."""
    messages: list[str] = []
    args: Any = SimpleNamespace(
        resource_type=subject.type,
        name=subject.name,
        urn=subject.urn,
        props=subject.props,
        provider=None,
        opts=SimpleNamespace(protect=subject.protect),
        get_config=dict,
        not_applicable=lambda *_: None,
    )
    judge: Any = policy_of(rule, "IAM", (waiver,), today)
    judge.validate(args, lambda message, _: messages.append(message))
    return messages
