"""Tests of the table of versions' lifetimes, and of the policies that warn of and refuse old versions."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from policies.rules import lifetimes
from policies.rules.lifetimes import REFUSED_DAYS, VERSIONS, WARNED_DAYS, Lifetime, ending_soon, read, supported
from policies.rules.rule import Check, Subject
from stacks.offline import verdict
from stacks.offline.recording import Graph
from stacks.settings import Layer
from tests.policies.cases import RULES, TODAY
from tests.stacks.graphs import ENVIRONMENTS, graph_of

CLUSTER = "aws:eks/cluster:Cluster"
END = date(2027, 3, 27)
PAGE = "https://docs.aws.amazon.com/it.html"
TABLE = (
    Lifetime(of="Kubernetes", version="1.35", ends=END, source=PAGE, read=date(2026, 11, 26)),
    Lifetime(of="Redshift", version="1.0", endless="it is patched", source=PAGE, read=date(2026, 11, 26)),
)
_VERSIONED = re.compile(r"(^|engine|addon|cluster|kubernetes|platform)version$|^runtime$|^image$", re.IGNORECASE)


def subject(type_: str, props: dict[str, Any]) -> Subject:
    return Subject(type_, "it", f"urn:pulumi:cluster.prod::rewards::{type_}::it", props)


def messages(check: Check, type_: str, props: dict[str, Any], left: int = 0) -> list[str]:
    """Return the check's messages for a resource when `left` days are left until END."""
    days = REFUSED_DAYS if check is SUPPORTED else WARNED_DAYS
    return list(check(subject(type_, props), {"today": END - timedelta(days=left), "days": days}))


SUPPORTED, ENDING = supported(TABLE), ending_soon(TABLE)


@pytest.mark.parametrize(
    ("left", "refused", "warned"),
    [(120, 0, 0), (119, 0, 1), (60, 0, 1), (59, 1, 0), (0, 1, 0), (-1, 1, 0)],
)
def test_few_days_left_are_a_warning_and_fewer_a_violation(left: int, refused: int, warned: int) -> None:
    assert len(messages(SUPPORTED, CLUSTER, {"version": "1.35"}, left)) == refused
    assert len(messages(ENDING, CLUSTER, {"version": "1.35"}, left)) == warned


def test_a_violation_says_when_it_ends_or_ended() -> None:
    [before], [after] = (messages(SUPPORTED, CLUSTER, {"version": "1.35"}, left) for left in (6, -3))
    assert before.endswith("ends on 2027-03-27: in 6 days")
    assert after.endswith("ends on 2027-03-27: 3 days ago")


@pytest.mark.parametrize(
    ("type_", "props"),
    [
        (CLUSTER, {"version": "1.36"}),
        (CLUSTER, {}),
        ("aws:eks/addon:Addon", {"addonName": "metrics-server", "addonVersion": "v0.8.0-eksbuild.1"}),
        ("aws:rds/cluster:Cluster", {"engine": "aurora-mysql", "engineVersion": "16.11"}),
        ("aws:lambda/function:Function", {"runtime": "python3.8"}),
        ("aws:codebuild/project:Project", {"environment": {"image": "aws/codebuild/standard:4.0"}}),
        ("kubernetes:helm.sh/v3:Release", {"chart": "keda", "version": "2.19.0"}),
    ],
)
def test_a_version_that_the_table_does_not_know_is_refused(type_: str, props: dict[str, Any]) -> None:
    [message] = messages(SUPPORTED, type_, props, 500)
    assert message.endswith("is not in lifetimes.toml")
    assert not messages(ENDING, type_, props, 500)


def test_what_has_no_end_is_never_refused() -> None:
    assert not messages(SUPPORTED, "aws:redshift/cluster:Cluster", {}, -5000)


def test_a_function_that_is_an_image_has_no_runtime_of_awss() -> None:
    assert not messages(SUPPORTED, "aws:lambda/function:Function", {"packageType": "Image"})


def test_kubernetes_1_34_is_refused_days_before_its_end_and_1_35_is_not() -> None:
    rule = RULES["version-supported"]
    faults = {
        version: rule.judge(subject(CLUSTER, {"version": version}), {"today": TODAY}).faults
        for version in ("1.33", "1.34", "1.35")
    }
    assert [bool(of) for of in faults.values()] == [True, True, False]


def used() -> set[tuple[str, str]]:
    graphs = [graph_of(environment) for environment in ENVIRONMENTS]
    resources = [resource for graph in graphs for resource in graph.resources if resource.token in VERSIONS]
    return {version for resource in resources if (version := VERSIONS[resource.token](resource.inputs))}


def test_the_table_has_what_the_program_uses_and_versions_of_kubernetes_before_it() -> None:
    listed = {(lifetime.of, lifetime.version) for lifetime in read()}
    assert used() <= listed
    assert {of for of, _ in listed - used()} <= {"Kubernetes"}


def test_every_resource_that_has_a_version_tells_it_to_the_policy() -> None:
    graphs = [graph_of(environment) for environment in ENVIRONMENTS]
    graphs.append(graph_of("dev", (Layer.BASE, Layer.DATA), warehouseEngine="serverless"))
    versioned = {
        resource.token
        for graph in graphs
        for resource in graph.resources
        if resource.token.startswith(("aws:", "eks:", "kubernetes:helm.sh/"))
        and any(_VERSIONED.search(key) for key in resource.inputs)
    }
    assert {"eks:index:Cluster", "aws:rds/cluster:Cluster", "aws:lambda/function:Function"} <= versioned
    assert versioned <= set(VERSIONS)


def test_every_lifetime_names_a_page_and_the_day_on_which_it_was_read() -> None:
    assert read()
    for lifetime in read():
        assert re.match(r"https://docs\.aws\.amazon\.com/", lifetime.source)
        assert lifetime.read <= TODAY


@pytest.mark.parametrize(
    "row",
    [
        'ends = 2027-03-27\nsource = "https://it"',
        'ends = 2027-03-27\nread = 2026-11-26\nsource = "a colleague"',
        'read = 2026-11-26\nsource = "https://it"',
        'ends = 2027-03-27\nendless = "both"\nread = 2026-11-26\nsource = "https://it"',
    ],
)
def test_a_row_without_source_day_or_end_is_no_lifetime(row: str, tmp_path: Path) -> None:
    file = tmp_path / "lifetimes.toml"
    file.write_text(f'[[lifetime]]\nof = "Kubernetes"\nversion = "1.35"\n{row}\n')
    with pytest.raises((TypeError, ValueError)):
        read(file)


def test_a_version_has_one_lifetime(tmp_path: Path) -> None:
    file = tmp_path / "lifetimes.toml"
    file.write_text((lifetimes.FILE.read_text()) * 2)
    with pytest.raises(ValueError, match="two lifetimes"):
        read(file)


def test_the_report_tells_what_the_policies_would_say() -> None:
    lines = {left: lifetimes.report(TABLE, END - timedelta(days=left)).splitlines() for left in (120, 119, 59)}
    assert [of[0].split()[-1] for of in lines.values()] == ["days", "warned", "refused"]
    assert all("no end: it is patched" in of[1] for of in lines.values())


@pytest.mark.slow
def test_the_day_on_which_the_pack_judges_is_an_input() -> None:
    (cluster,) = graph_of("prod").of("eks:index:Cluster")
    graph = Graph((cluster,))
    early, soon, late = (verdict.judge(graph, "prod", today=END - timedelta(days=left)) for left in (120, 119, 59))
    assert (early.holds, soon.holds, late.holds) == (True, True, False)
    assert named(early) == []
    assert named(soon) == [("version-ends-soon", "advised")]
    assert named(late) == [("version-supported", "violated")]


def named(report: verdict.Report) -> list[tuple[str, str]]:
    return [(finding.policy, finding.word) for finding in report.findings if finding.policy.startswith("version-")]
