"""Tests of cost estimates: each resource type has a price or a reason for none; some costs are computed by hand."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import yaml

from stacks.offline import cost
from stacks.offline.cost import Prices
from stacks.offline.load import HOURS, LOADS, Site
from stacks.offline.recording import Graph, Resource
from stacks.settings import Layer
from tests.stacks.graphs import ENVIRONMENTS, graph_of

DATA = (Layer.BASE, Layer.DATA)


@pytest.fixture
def prices() -> Prices:
    return Prices.read()


def estimated(graph: Graph) -> dict[str, Any]:
    return cost.estimate(graph, Prices.read())


def every_token() -> set[str]:
    graphs = [graph_of(environment) for environment in ENVIRONMENTS]
    graphs += [graph_of("dev", DATA, ledgerEngine="qldb")]
    return {resource.token for graph in graphs for resource in graph.resources}


def test_every_type_has_a_price_or_the_reason_why_not() -> None:
    tokens = every_token()
    assert tokens
    for token in tokens:
        assert (token in cost.USES) != (cost.unpriced_because(token) is not None), token


def test_nothing_is_priced_or_excused_that_the_program_does_not_use() -> None:
    tokens = every_token()
    assert set(cost.USES) <= tokens
    for start in cost.UNPRICED:
        assert any(token.startswith(start) and token not in cost.USES for token in tokens), start


def test_the_price_list_is_dated_and_names_a_page_for_each_price() -> None:
    document = yaml.safe_load(cost.PRICES.read_text())
    assert isinstance(document["as_of"], date)
    assert document["source"].startswith("https://aws.amazon.com/")
    for name, price in document["prices"].items():
        assert price["page"], name
        assert price["per"], name
        assert ("usd" in price) != ("tiers" in price), name


def test_every_price_is_one_that_something_uses(prices: Prices) -> None:
    used = {
        price
        for graph in (
            graph_of("prod"),
            graph_of("prod", nodeSpot=True),
            graph_of("dev"),
            graph_of("dev", nodeSpot=False),
        )
        for typed in estimated(graph)["by_type"].values()
        for units in typed["units"].values()
        for price in units
    }
    other_nodes = {name for name in prices.usd if name.startswith(("redshift-ra3.", "reserved-"))}  # capacity's
    assert {*prices.usd, *prices.tiers} - other_nodes == used - other_nodes


def test_more_load_never_costs_less(graph: Graph) -> None:
    by_type = estimated(graph)["by_type"]
    assert by_type
    for token, typed in by_type.items():
        assert 0 <= typed["usd"]["idle"] <= typed["usd"]["typical"] <= typed["usd"]["busy"], token


def test_the_total_is_the_sum_of_what_is_listed(graph: Graph) -> None:
    costs = estimated(graph)
    assert set(costs["usd_a_month"]) == {load.name for load in LOADS}
    for load, total in costs["usd_a_month"].items():
        assert total == pytest.approx(sum(typed["usd"][load] for typed in costs["by_type"].values()), abs=0.01)


def test_figures_that_can_be_done_by_hand(prod: Graph) -> None:
    by_type = estimated(prod)["by_type"]
    assert by_type["aws:ec2/natGateway:NatGateway"]["usd"]["idle"] == pytest.approx(3 * 730 * 0.045 + 20 * 0.045)
    hours = 2 * 730 * 65 / 168  # two nodes, Monday to Friday from 11:00 to 24:00
    assert by_type["aws:redshift/cluster:Cluster"]["usd"]["idle"] == pytest.approx(
        hours * 0.543 + 0.024 + 0.4, abs=0.01
    )
    assert by_type["aws:kms/key:Key"]["units"]["busy"]["key"] == 6
    assert by_type["aws:rds/clusterInstance:ClusterInstance"]["usd"]["idle"] == pytest.approx(2 * 1 * 730 * 0.12)
    assert by_type["aws:cloudwatch/metricAlarm:MetricAlarm"]["resources"] == 33


def test_figures_of_size_small_that_can_be_done_by_hand() -> None:
    """Nodes: three t4g.medium on Spot, Auto Mode's fee, disks. Stream: one shard. Warehouse: 30 loads a month."""
    by_type = estimated(graph_of("dev"))["by_type"]
    nodes = 3 * (730 * (0.0150 + 0.00403) + 30 * 0.08)
    assert by_type["eks:index:Cluster"]["usd"]["idle"] == pytest.approx(730 * 0.10 + nodes, abs=0.01)
    assert by_type["aws:kinesis/stream:Stream"]["usd"]["idle"] == pytest.approx(730 * (0.015 + 0.02))
    workgroup = by_type["aws:redshiftserverless/workgroup:Workgroup"]["usd"]["idle"]
    assert workgroup == pytest.approx(4 * 30 * 3 / 60 * 0.375 + 0.024 + 0.4, abs=0.01)


def test_nodes_disks_cost_what_the_node_class_says(prod: Graph) -> None:
    def larger(resource: Resource) -> Resource:
        if resource.token != "kubernetes:eks.amazonaws.com/v1:NodeClass":
            return resource
        spec = {**resource.inputs["spec"], "ephemeralStorage": {"size": "50Gi"}}
        return replace(resource, inputs={**resource.inputs, "spec": spec})

    changed = replace(prod, resources=tuple(map(larger, prod.resources)))
    for graph, gib in ((prod, 30), (changed, 50)):
        costs = estimated(graph)
        nodes = costs["loads"]["idle"]["nodes"]
        assert costs["by_type"]["eks:index:Cluster"]["units"]["idle"]["disk-gb"] == nodes * gib


def test_standard_prod_is_idle_for_less_than_1300_dollars() -> None:
    assert estimated(graph_of("prod"))["usd_a_month"]["idle"] <= 1300


def test_a_warehouse_that_does_not_sleep_is_billed_for_every_hour() -> None:
    awake = estimated(graph_of("staging", warehousePaused=False))["by_type"]["aws:redshift/cluster:Cluster"]["units"]
    assert awake["idle"]["redshift-ra3.large-hour"] == 2 * HOURS


def test_members_are_billed_by_tier(prices: Prices) -> None:
    assert prices.of("active-member", 10_000) == 0
    assert prices.of("active-member", 110_000) == pytest.approx(90_000 * 0.0055 + 10_000 * 0.0046)


def test_autoscalers_stay_within_their_limits_whatever_the_load(graph: Graph) -> None:
    for load in LOADS:
        site = Site(graph, load)
        for scaler in graph.of("kubernetes:autoscaling/v2:HorizontalPodAutoscaler"):
            spec = scaler.inputs["spec"]
            assert spec["minReplicas"] <= site.pods[scaler.name] <= spec["maxReplicas"]
        assert site.nodes >= site.zones


def test_a_type_without_a_price_is_said_to_have_none(prod: Graph) -> None:
    (nat, *_) = prod.of("aws:ec2/natGateway:NatGateway")
    unknown = type(nat)(**{**nat.__dict__, "token": "aws:sagemaker/endpoint:Endpoint"})
    costs = estimated(Graph((*prod.resources, unknown), prod.exports))
    assert costs["unpriced"]["aws:sagemaker/endpoint:Endpoint"].startswith("no price is known")


def test_the_readme_tells_the_figures_of_the_plan() -> None:
    """The README's figures may be off by a tenth: they are meant as an order of magnitude."""
    readme = (cost.PRICES.parent.parent.parent / "stacks" / "README.md").read_text()
    rows = re.findall(r"^\| (dev|staging|prod) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", readme, re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(ENVIRONMENTS)
    for environment, *usd in rows:
        figures = list(estimated(graph_of(environment))["usd_a_month"].values())
        assert [float(figure.replace(",", "")) for figure in usd] == pytest.approx(figures, rel=0.1)
