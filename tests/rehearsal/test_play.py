"""Tests of what the stage is given: nodes, the graph's objects, the model's inputs; without a cluster."""

import pytest

from app.work import ORDER, SEARCH
from tests.engine import played_eks
from tests.rehearsal import play
from tests.rehearsal.shop import shop
from tests.rehearsal.stage_data import figures
from tests.stacks.graphs import graph_of


def test_nodes_are_in_the_zones_of_the_environment() -> None:
    assert figures().nodes.zones == played_eks.ZONES
    (type_,) = (each for each in figures().karpenter_types() if each["name"] == "m7g.xlarge")
    assert type_["resources"]["cpu"] == "4"
    assert len(type_["offerings"]) == len(played_eks.ZONES)


def test_nodes_disks_have_what_kubelet_leaves_of_the_node_class() -> None:
    (node_class,) = graph_of("prod").of("kubernetes:eks.amazonaws.com/v1:NodeClass")
    gib = int(node_class.inputs["spec"]["ephemeralStorage"]["size"].removesuffix("Gi"))
    assert figures().nodes.disk_gib == gib * 0.9 - 1
    assert {each["resources"]["ephemeral-storage"] for each in figures().karpenter_types()} == {"26Gi"}


def test_the_shop_has_all_services_of_the_graph_and_all_of_the_load() -> None:
    services = {service.name: service for service in shop(graph_of("prod")).services}
    assert set(services) == {"catalog", "orders", "rewards", "vendors"}
    assert sum(service.share for service in services.values()) == pytest.approx(1)
    assert (services["orders"].work, services["catalog"].work) == (ORDER, SEARCH)


def test_manifests_are_the_graphs_objects_on_nodes_of_kwok() -> None:
    graph = graph_of("prod", imageDigest=play.DELIVERED)
    manifests = play.manifests(graph)
    kinds = {manifest["kind"] for manifest in manifests}
    assert {
        "Namespace",
        "NodeClass",
        "NodePool",
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    } <= kinds
    (pool,) = (manifest for manifest in manifests if manifest["kind"] == "NodePool")
    assert pool["spec"]["template"]["spec"]["nodeClassRef"]["kind"] == "KWOKNodeClass"
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in play.deployments(manifests)}
    assert {image.partition("@")[2] for image in images} == {play.DELIVERED}
