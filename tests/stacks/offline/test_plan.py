"""Tests of `make plan`, and of the environments that it refuses."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pulumi_aws as aws
import pytest

from app.processes import HOSTING
from stacks.offline import diagram, plan, recording, sheets
from stacks.offline.plan import Plan
from stacks.offline.recording import Graph
from stacks.settings import Layer
from tests.stacks.graphs import graph_of

SVG = "{http://www.w3.org/2000/svg}"


def test_a_plan_is_every_resource_its_picture_and_its_cost(tmp_path: Path) -> None:
    plan_of_prod = Plan.of("prod")
    prod = plan_of_prod.graph
    plan_of_prod.write("prod", tmp_path)
    pictures = {f"{name}.svg" for name in ("diagram", *(flow.name for flow in sheets.FLOWS))}
    assert {path.name for path in tmp_path.iterdir()} == {"graph.json", "cost.json", "diagram.html", *pictures}
    document = json.loads((tmp_path / "graph.json").read_text())
    assert [resource["urn"] for resource in document["resources"]] == [resource.urn for resource in prod.resources]
    assert set(document["exports"]) == set(prod.exports)
    assert json.loads((tmp_path / "cost.json").read_text()) == plan_of_prod.costs
    shown = plan_of_prod.summary()
    assert all(f"{layer}.prod" in shown for layer in Layer)
    (total,) = (line for line in shown.splitlines() if line.startswith("total"))
    assert total.split()[1:] == [f"{usd:,.0f}" for usd in plan_of_prod.costs["usd_a_month"].values()]


def drawn(graph: Graph, environment: str) -> ET.Element:
    return ET.fromstring(diagram.svg(graph, environment))  # noqa: S314  our own


def test_the_picture_shows_every_zone_service_function_and_database(graph: Graph, environment: str) -> None:
    shown = [text.text or "" for text in drawn(graph, environment).iter(f"{SVG}text")]
    for token in ("kubernetes:apps/v1:Deployment", "aws:lambda/function:Function"):
        assert {resource.name for resource in graph.of(token)} - set(HOSTING) <= set(shown)
    for subnet in graph.of("aws:ec2/subnet:Subnet"):
        assert [text for text in shown if subnet.inputs["cidrBlock"] in text]
    instances = graph.of("aws:rds/clusterInstance:ClusterInstance")
    assert len([text for text in shown if text.startswith("Aurora")]) == len(instances)
    assert shown.count("NAT gateway") == len(graph.of("aws:ec2/natGateway:NatGateway"))


@pytest.mark.parametrize("zones", ['["a", "b"]', '["a", "b", "c", "d"]'])
def test_the_picture_keeps_inside_its_frame_however_many_zones_there_are(zones: str) -> None:
    page = drawn(graph_of("staging", zones=zones), "staging")
    width, height = float(page.attrib["width"]), float(page.attrib["height"])
    rectangles = list(page.iter(f"{SVG}rect"))
    assert rectangles
    for rect in rectangles:
        x, y = float(rect.get("x", "0")), float(rect.get("y", "0"))
        assert 0 <= x <= x + float(rect.attrib["width"]) <= width
        assert 0 <= y <= y + float(rect.attrib["height"]) <= height


def test_the_picture_of_the_same_graph_is_the_same(prod: Graph) -> None:
    other_order = Graph(tuple(reversed(prod.resources)), prod.exports)
    assert diagram.svg(other_order, "prod") == diagram.svg(prod, "prod")


@pytest.mark.slow
@pytest.mark.alone
def test_prod_takes_less_than_three_times_as_many_plain_resources_do(prod: Graph) -> None:
    """The floor is the SDK's own work for each resource, in processor seconds of the same process: 1.9 was measured."""

    def plain() -> None:
        for number in range(len(prod.resources)):
            aws.ssm.Parameter(f"plain-{number}", name=f"/plain/{number}", type="String", value="")

    def seconds(program: Callable[[], object]) -> float:
        before = time.process_time()
        program()
        return time.process_time() - before

    floor = seconds(lambda: recording.record("base.prod", plain, plan.config("base.prod")))
    assert seconds(lambda: plan.graph("prod")) < 3 * floor


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["dev", "prod"]])
def test_an_environment_that_is_none_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main(arguments) == 2
    assert capsys.readouterr().err == "plan: name one of dev, prod, staging\n"


def test_prod_is_not_destroyed_without_its_name() -> None:
    ended = subprocess.run(["make", "destroy", "ENV=prod"], cwd=plan.ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "CONFIRM=destroy-prod" in ended.stderr


@pytest.mark.parametrize("target", ["diff", "deploy", "destroy"])
def test_an_environment_that_is_none_is_refused_before_pulumi_hears_of_it(target: str) -> None:
    for named in ((), ("ENV=moon",)):
        ended = subprocess.run(
            ["make", "--no-print-directory", "-o", ".venv/.all", target, *named],
            cwd=plan.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"rewards: name an environment of stacks/config: make {target} ENV=dev" in ended.stderr
