"""Tests of the flows' sheets: each shows the required connections, each line has a reason, and all text is legible."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest

from app.processes import CARE
from stacks.offline import sheets
from stacks.offline.connections import Connections, variables
from stacks.offline.drawing import Box
from stacks.offline.parts import PARTS
from stacks.offline.recording import Graph
from stacks.offline.steps import connected
from tests.stacks.graphs import graph_of

SVG = "{http://www.w3.org/2000/svg}"
FLOWS = {flow.name: flow for flow in sheets.FLOWS}
SITES = ("prod", "dev", "staging", "small")
LEDGER, STREAM, EDGE, POOL = "Cluster/ledger", "Stream/journal", "LoadBalancer/edge", "UserPool/members"
FUNCTION = "aws:lambda/function:Function"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
IDENTITY = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
SCHEDULE = "aws:scheduler/schedule:Schedule"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
ACCESS = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"


def site(name: str) -> Graph:
    """Return the graph of an environment, or of prod's settings in size small."""
    return graph_of("prod", size="small") if name == "small" else graph_of(name)


@cache
def connections(name: str) -> Connections:
    return connected(site(name))


@cache
def pictures(name: str) -> dict[str, str]:
    return sheets.sheets(site(name), name)


def shown(flow: str, graph: Graph) -> set[tuple[str, str]]:
    chosen = sheets.sheet(FLOWS[flow], graph, connected(graph))
    return {(each.source, each.target) for each in chosen.connections}


def pods(router: str, graph: Graph) -> str:
    """Return the key of the one Deployment that runs a router, whichever others it runs."""
    (key,) = {
        f"Deployment/{pod.name}"
        for pod in graph.of("kubernetes:apps/v1:Deployment")
        if router in variables(pod).get("REWARDS_SERVICES", "").split(",")
    }
    return key


def warehouse(graph: Graph) -> str:
    kinds = ("aws:redshift/cluster:Cluster", "aws:redshiftserverless/workgroup:Workgroup")
    (resource,) = graph.of(*kinds)
    return f"{resource.token.rpartition(':')[2]}/{resource.name}"


def served(router: str, graph: Graph) -> set[tuple[str, str]]:
    """Return the connections that every request to one of the router's routes uses."""
    key = pods(router, graph)
    return {("internet", EDGE), ("internet", POOL), (EDGE, key), (POOL, key), (key, LEDGER)}


def scheduled(name: str) -> set[tuple[str, str]]:
    return {(f"Schedule/{name}", f"Function/{name}"), (f"Function/{name}", LEDGER)}


def business(flow: str, graph: Graph) -> set[tuple[str, str]]:
    """Return the connections that a flow of the business must show."""
    sealed = {("Deployment/sealer", LEDGER), ("Deployment/sealer", STREAM)}
    load, feed, store = "Function/warehouse-load", "Function/vendor-feed", warehouse(graph)
    followed = {(STREAM, "Function/journal-insights"), ("Function/journal-insights", LEDGER)}
    exported = {("Function/journal-export", "Bucket/exports"), ("Bucket/exports", load)}
    staged = {(load, "Bucket/staging"), ("Bucket/staging", store), (load, store)}
    calls = scheduled("hourly-insights") | scheduled("journal-export") | scheduled("warehouse-load")
    return {
        "product-selection": served("catalog", graph),
        "order-placement": served("orders", graph) | sealed,
        "on-boarding": served("vendors", graph) | {("Secret/vendor-tokens", pods("vendors", graph))},
        "product-update": served("vendors", graph) | {("Bucket/feeds", feed), (feed, LEDGER)},
        "redemption": served("rewards", graph),
        "nightly": scheduled("nightly-rewards"),
        "analytics": served("insights", graph) | sealed | followed | exported | staged | calls,
        "floors": scheduled("announced-floors") | {("Function/announced-floors", "floors")},
    }[flow]


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize(
    "flow",
    [
        *("product-selection", "order-placement", "on-boarding", "product-update", "redemption", "nightly"),
        *("analytics", "floors"),
    ],
)
def test_a_flow_shows_what_it_runs_through(flow: str, name: str) -> None:
    graph = site(name)
    assert business(flow, graph) <= shown(flow, graph)
    others = {key for edge in shown(flow, graph) for key in edge if key.startswith(("Pipeline/", "Project/"))}
    assert not others


@pytest.mark.parametrize("name", SITES)
def test_the_nightly_sheet_shows_nothing_else(name: str) -> None:
    assert shown("nightly", site(name)) == scheduled("nightly-rewards")


@pytest.mark.parametrize("name", SITES)
def test_everything_that_logs_in_to_the_database_says_as_whom_and_by_which_rule(name: str) -> None:
    graph = site(name)
    processes = graph.of("kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:Job", FUNCTION)
    keys = {(PARTS[process.token](process).key, LEDGER) for process in processes if process.name != CARE}
    assert shown("database", graph) == keys
    for key in keys:
        text = " ".join(connections(name).edges[key].reasons)
        as_admin = key[0] in {"Job/migration", "Function/preview-place"}
        login = "secretsmanager:GetSecretValue" if as_admin else "rds-db:connect as rewards_"
        assert login in text
        assert "DATABASE_URL" in text
        assert "port 5433" in text


def test_pods_go_from_the_source_by_each_step_to_what_they_change() -> None:
    edges = shown("pods-delivery", site("prod"))
    steps = [("Source", 1), ("Check", 1), ("Image", 1), ("Scan", 1), ("Staging", 1), ("Staging", 2), ("Staging", 3)]
    steps += [("Approval", 1), ("Approval", 2), ("Prod", 1), ("Prod", 2)]
    keys = [f"Pipeline/pods/{stage}/{order}" for stage, order in steps]
    assert {("repository", keys[0]), *pairwise(keys)} <= edges
    assert {("Pipeline/pods/Image/1", "Repository/app"), ("Repository/app", "Cluster/cluster")} <= edges
    assert {("Pipeline/pods/Prod/1", "Project/rollout"), ("Project/rollout", "Cluster/cluster")} <= edges
    assert {("Project/rollout", "parameters"), ("Project/smoke", EDGE)} <= edges
    assert ("Pipeline/pods/Staging/2", "account/444455556666") in edges


def test_functions_go_from_the_source_to_each_function_by_a_canary() -> None:
    graph = site("prod")
    edges, functions = shown("functions-delivery", graph), {f"Function/{each.name}" for each in graph.of(FUNCTION)}
    assert {("Pipeline/functions/Package/1", "Project/package"), ("Project/record", "parameters")} <= edges
    assert {("Project/publish", function) for function in functions} <= edges
    assert {("Pipeline/functions/Prod/2", function) for function in functions} <= edges
    assert ("Pipeline/functions/Prod/1", "Pipeline/functions/Prod/2") in edges


def test_dev_delivers_by_the_pipeline_of_previews() -> None:
    edges = shown("pods-delivery", site("dev"))
    assert {("Pipeline/previews/Image/1", "Repository/app"), ("Repository/app", "Cluster/cluster")} <= edges
    assert ("Pipeline/previews/Preview/1", "Project/preview-up") in edges
    assert ("Project/preview-up", "Cluster/cluster") in edges


def test_staging_is_delivered_to_by_the_pipelines_of_prods_account() -> None:
    pods_edges, functions_edges = shown("pods-delivery", site("staging")), shown("functions-delivery", site("staging"))
    assert {("Pipeline/delivery-prod-pods", "Project/rollout"), ("Project/rollout", "Cluster/cluster")} <= pods_edges
    assert ("Pipeline/delivery-prod-functions", "Function/vendor-feed") in functions_edges


@pytest.mark.parametrize(
    ("flow", "token", "name", "gone"),
    [
        ("order-placement", ROLE_POLICY, "orders", ("Deployment/orders", LEDGER)),
        ("order-placement", INGRESS, "pods-ledger", ("Deployment/orders", LEDGER)),
        ("order-placement", "aws:lb/listenerRule:ListenerRule", "orders-orders", (EDGE, "Deployment/orders")),
        ("order-placement", IDENTITY, "sealer", ("Deployment/sealer", STREAM)),
        ("nightly", SCHEDULE, "nightly-rewards", ("Schedule/nightly-rewards", "Function/nightly-rewards")),
        ("analytics", MAPPING, "journal-insights", (STREAM, "Function/journal-insights")),
        ("analytics", ROLE_POLICY, "warehouse-copy", ("Bucket/staging", "Cluster/warehouse")),
        ("pods-delivery", ACCESS, "rollout", ("Project/rollout", "Cluster/cluster")),
        ("functions-delivery", ROLE_POLICY, "publish", ("Project/publish", "Function/vendor-feed")),
    ],
)
def test_a_line_goes_when_its_reason_goes(flow: str, token: str, name: str, gone: tuple[str, str]) -> None:
    prod = site("prod")
    kept = tuple(each for each in prod.resources if (each.token, each.name) != (token, name))
    assert len(kept) < len(prod.resources)
    assert gone in shown(flow, prod)
    assert gone not in shown(flow, Graph(kept, prod.exports))


def test_a_denied_permission_is_no_reason() -> None:
    prod = site("prod")
    policy = prod.named(ROLE_POLICY, "orders")
    denied = replace(policy, inputs={**policy.inputs, "policy": policy.inputs["policy"].replace("Allow", "Deny")})
    kept = tuple(denied if each is policy else each for each in prod.resources)
    assert ("Deployment/orders", LEDGER) not in shown("order-placement", Graph(kept, prod.exports))


@pytest.mark.parametrize("name", SITES)
def test_each_line_is_drawn_once_and_its_reasons_are_listed(name: str) -> None:
    for flow in sheets.FLOWS:
        chosen = sheets.sheet(flow, site(name), connections(name))
        page = ET.fromstring(pictures(name)[flow.name])  # noqa: S314  our own
        lines = [(line.attrib["data-from"], line.attrib["data-to"]) for line in page.iter(f"{SVG}polyline")]
        assert sorted(lines) == sorted((each.source, each.target) for each in chosen.connections)
        boxes = {rect.get("data-part") for rect in page.iter(f"{SVG}rect")} - {None}
        assert boxes == set(chosen.parts)
        text = " ".join(each.text or "" for each in page.iter(f"{SVG}text"))
        assert all(each.reasons for each in chosen.connections)
        assert all(reason in text for each in chosen.connections if not each.then for reason in each.reasons)


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("flow", FLOWS)
def test_a_sheet_can_be_read(flow: str, name: str) -> None:
    page = ET.fromstring(pictures(name)[flow])  # noqa: S314  our own
    boxes = {rect.attrib["data-part"]: _box(rect) for rect in page.iter(f"{SVG}rect") if rect.get("data-part")}
    texts = [_text_box(text) for text in page.iter(f"{SVG}text")]
    whole = Box(0, 0, float(page.attrib["width"]), float(page.attrib["height"]))
    assert min(int(text.attrib["font-size"]) for text in page.iter(f"{SVG}text")) >= 11
    assert all(whole.x <= each.x and each.right <= whole.right for each in (*boxes.values(), *texts))
    assert all(whole.y <= each.y and each.bottom <= whole.bottom for each in (*boxes.values(), *texts))
    assert not [pair for pair in combinations(boxes.values(), 2) if _overlap(*pair)]
    assert not [pair for pair in combinations(texts, 2) if _overlap(*pair)]
    for line in page.iter(f"{SVG}polyline"):
        for start, end in _segments(line):
            crossed = [key for key, box in boxes.items() if _crosses(start, end, box)]
            assert not crossed, (line.attrib["data-from"], line.attrib["data-to"], crossed)
            assert not [text for text in texts if _crosses(start, end, text)]


def test_a_graph_gives_the_same_sheets_in_any_order() -> None:
    prod = site("prod")
    assert sheets.sheets(Graph(tuple(reversed(prod.resources)), prod.exports), "prod") == pictures("prod")


def test_one_page_switches_between_the_sheets_without_a_script() -> None:
    page = ET.fromstring(sheets.page(pictures("dev"), "dev").removeprefix("<!doctype html>\n"))  # noqa: S314  our own
    links = [link.attrib["href"] for link in page.iter("a")]
    assert links == [f"#{section.attrib['id']}" for section in page.iter("section")] == [f"#{name}" for name in FLOWS]
    assert len(list(page.iter(f"{SVG}svg"))) == len(FLOWS)
    assert not list(page.iter("script"))
    ids = [each.attrib["id"] for each in page.iter() if "id" in each.attrib]
    assert len(ids) == len(set(ids)), "a hidden sheet's arrowhead is not drawn on another"


def _box(rect: ET.Element) -> Box:
    return Box(*(float(rect.attrib[key]) for key in ("x", "y", "width", "height")))


def _text_box(text: ET.Element) -> Box:
    """Return the place of a text, by a letter's average width in DejaVu Sans, the widest of the fonts that we name."""
    size, letters = int(text.attrib["font-size"]), len(text.text or "")
    width = letters * size * (0.66 if text.get("font-weight") else 0.57)
    x = float(text.attrib["x"]) - (width / 2 if text.attrib["text-anchor"] == "middle" else 0)
    return Box(x, float(text.attrib["y"]) - 0.75 * size, width, 0.95 * size)


def _overlap(box: Box, other: Box) -> bool:
    return box.x < other.right and other.x < box.right and box.y < other.bottom and other.y < box.bottom


def _segments(line: ET.Element) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    return pairwise((x, y) for x, y in points)


def _crosses(start: tuple[float, float], end: tuple[float, float], box: Box) -> bool:
    """Return whether a segment passes the inside of a box, by points along it; its ends may touch the border."""
    steps = 60
    points = (
        (start[0] + (end[0] - start[0]) * step / steps, start[1] + (end[1] - start[1]) * step / steps)
        for step in range(steps + 1)
    )
    return any(box.x < x < box.right and box.y < y < box.bottom for x, y in points)
