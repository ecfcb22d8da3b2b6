"""Tests of which pods are moved between zones: from any state moves end with even zones, or there is no room."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.care.evening import Node, Pod, Room, moves

ZONES = ("a", "b", "c")
POD = Room(0.25, 0.5)
SERVICES = ("catalog", "orders")


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Node], list[Pod]]:
    """Return up to six nodes with room for up to eight pods each, and two services' pods on them."""
    zones = draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=6))
    nodes = [
        Node(f"{zone}{number}", zone, Room(POD.processors * room, POD.gib * room))
        for number, (zone, room) in enumerate(zip(zones, draw(rooms(len(zones))), strict=True))
    ]
    placed = draw(st.lists(st.tuples(st.sampled_from(SERVICES), st.sampled_from(nodes)), max_size=24))
    return nodes, [
        Pod(f"{service}-{number:02}", service, node.name, f"{number:02}", POD)
        for number, (service, node) in enumerate(placed)
    ]


def rooms(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 8), min_size=count, max_size=count)


def counts(nodes: list[Node], pods: list[Pod], service: str) -> Counter[str]:
    zone_of = {node.name: node.zone for node in nodes}
    by_zone = Counter(dict.fromkeys(zone_of.values(), 0))
    by_zone.update(zone_of[pod.node] for pod in pods if pod.service == service)
    return by_zone


def rescheduled(nodes: list[Node], pods: list[Pod], moved: Pod) -> tuple[list[Node], list[Pod]]:
    """Do what Kubernetes does with an evicted pod's replacement: it goes where the fewest are, if there is room."""
    by_zone = counts(nodes, [pod for pod in pods if pod != moved], moved.service)
    home = next(node for node in nodes if by_zone[node.zone] == min(by_zone.values()) and node.free.fits(moved.takes))
    free = {home.name: home.free.without(moved.takes)}
    old = next(node for node in nodes if node.name == moved.node)
    free[old.name] = Room(old.free.processors + POD.processors, old.free.gib + POD.gib)
    moved_nodes = [replace(node, free=free.get(node.name, node.free)) for node in nodes]
    return moved_nodes, [pod for pod in pods if pod != moved] + [replace(moved, node=home.name)]


@given(clusters())
def test_moves_end_and_leave_zones_even_or_without_room(cluster: tuple[list[Node], list[Pod]]) -> None:
    nodes, pods = cluster
    for _ in range(len(pods)):
        chosen = moves(nodes, pods)
        if not chosen:
            break
        for pod in chosen:
            before = counts(nodes, pods, pod.service)
            nodes, pods = rescheduled(nodes, pods, pod)
            after = counts(nodes, pods, pod.service)
            assert max(before.values()) - min(before.values()) >= 2
            assert sum(count * count for count in after.values()) < sum(count * count for count in before.values())
    assert not moves(nodes, pods)
    for service in SERVICES:
        by_zone = counts(nodes, pods, service)
        emptiest = [zone for zone in by_zone if by_zone[zone] == min(by_zone.values())]
        with_room = [node for node in nodes if node.zone in emptiest and node.free.fits(POD)]
        assert max(by_zone.values()) - min(by_zone.values()) <= 1 or not with_room


@given(clusters())
def test_at_most_one_pod_of_a_service_moves_and_each_has_room(cluster: tuple[list[Node], list[Pod]]) -> None:
    nodes, pods = cluster
    chosen = moves(nodes, pods)
    assert len({pod.service for pod in chosen}) == len(chosen)
    room = sum(int(min(node.free.processors / POD.processors, node.free.gib / POD.gib)) for node in nodes)
    assert len(chosen) <= room


def spread(*zones: str) -> list[Pod]:
    return [Pod(f"catalog-{number}", "catalog", zone, str(number), POD) for number, zone in enumerate(zones)]


def node(zone: str, pods: float = 4) -> Node:
    return Node(zone, zone, Room(POD.processors * pods, POD.gib * pods))


def test_the_youngest_of_the_fullest_zone_moves() -> None:
    pods = spread("a", "b", "a", "c", "a")
    assert moves([node("a"), node("b"), node("c")], pods) == [pods[4]]


@pytest.mark.parametrize(
    ("nodes", "pods"),
    [
        ([node("a"), node("b")], spread("a", "a", "b")),
        ([node("a"), node("b", 0)], spread("a", "a")),
        ([node("a"), Node("b", "b", Room(8, 0.25))], spread("a", "a")),
        ([node("a"), Node("b", "b", Room(0.1, 8))], spread("a", "a")),
        ([node("a")], spread("a", "a", "a")),
        ([node("a")], spread("b", "b", "b")),
        ([], spread("a", "a")),
        ([node("a"), node("b")], []),
    ],
    ids=["one more", "no room", "no memory", "no processor", "one zone", "nodes that are gone", "no nodes", "no pods"],
)
def test_nothing_moves(nodes: list[Node], pods: list[Pod]) -> None:
    assert moves(nodes, pods) == []


def test_two_services_do_not_count_on_the_same_room() -> None:
    pods = [*spread("a", "a"), *(replace(pod, name=f"o{pod.name}", service="orders") for pod in spread("a", "a"))]
    assert len(moves([node("a"), node("b", 1)], pods)) == 1
    assert len(moves([node("a"), node("b", 2)], pods)) == 2
