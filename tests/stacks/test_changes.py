"""Tests of which resources a change of settings changes, by comparing two graphs."""

from collections.abc import Mapping
from typing import Any

from stacks.offline.recording import Graph
from stacks.settings import Layer
from tests.stacks.graphs import graph_of

# What AWS extends in place when it is given one more subnet.
LISTS_OF_SUBNETS = {"subnetIds", "subnets", "privateSubnetIds", "publicSubnetIds", "vpcConfig"}
# What previews are told of a layer, its lists of subnets among it.
HANDED = "aws:ssm/parameter:Parameter"
ACL = "rewards:network:Network$aws:ec2/networkAcl:NetworkAcl"


def changed(before: Graph, after: Graph) -> dict[str, set[str]]:
    """Return the inputs that differ, by URN, for resources in both graphs."""
    now = after.by_urn()
    changed = {urn: differing(was.inputs, now[urn].inputs) for urn, was in before.by_urn().items() if urn in now}
    return {urn: keys for urn, keys in changed.items() if keys}


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}


def test_a_further_zone_only_adds_its_subnets_to_the_network_that_is_there() -> None:
    before = graph_of("dev", (Layer.BASE,))
    after = graph_of("dev", (Layer.BASE,), zones='["a", "b", "c", "d"]')
    assert set(before.by_urn()) < set(after.by_urn())
    elsewhere = {urn: keys for urn, keys in changed(before, after).items() if ":Runner$" not in urn}
    # The runner may be in each subnet.
    assert {urn.split("::")[-2] for urn in elsewhere} == {HANDED, ACL}
    assert {*(key for urn, keys in elsewhere.items() if ACL in urn for key in keys)} == {"subnetIds"}


def test_a_further_zone_only_lengthens_lists_of_subnets_elsewhere() -> None:
    before, after = graph_of("dev"), graph_of("dev", zones='["a", "b", "c", "d"]')
    assert set(before.by_urn()) <= set(after.by_urn())
    # Pods count the zones that they spread over; builds that join the VPC may do so in each subnet.
    further = {
        "kubernetes:apps/v1:Deployment": {"spec"},
        "kubernetes:eks.amazonaws.com/v1:NodeClass": {"spec"},  # whose subnets those are
        "aws:iam/rolePolicy:RolePolicy": {"policy"},
        HANDED: {"value"},
    }
    for urn, keys in changed(before, after).items():
        kind = urn.split("::")[-2].split("$")[-1]
        assert keys <= further.get(kind, LISTS_OF_SUBNETS), urn


def test_another_size_replaces_nothing_that_holds_data() -> None:
    before = graph_of("prod", (Layer.BASE, Layer.DATA))
    after = graph_of(
        "prod", (Layer.BASE, Layer.DATA), ledgerMaxAcu=128, ledgerMinAcu=4, warehouseNodeType="ra3.4xlarge"
    )
    assert set(before.by_urn()) == set(after.by_urn())
    assert {urn.split("::")[-2].split("$")[-1]: keys for urn, keys in changed(before, after).items()} == {
        "aws:rds/cluster:Cluster": {"serverlessv2ScalingConfiguration"},
        "aws:redshift/cluster:Cluster": {"nodeType"},
    }


def test_a_lost_regions_copy_becomes_the_database_of_the_recovery_region() -> None:
    """The same layers, with the regions exchanged, make the cluster from the snapshot under their own key."""
    snapshot = "arn:aws:rds:us-west-2:123456789012:cluster-snapshot:awsbackup:copyjob-1"
    regions = {"aws:region": "us-west-2", "recoveryRegion": "us-east-1"}
    graph = graph_of("prod", (Layer.BASE, Layer.DATA), ledgerSnapshot=snapshot, **regions)
    empty = graph_of("prod", (Layer.BASE, Layer.DATA), **regions)
    (cluster,) = graph.of("aws:rds/cluster:Cluster")
    assert cluster.inputs["snapshotIdentifier"] == snapshot
    assert {urn.split("::")[-2].split("$")[-1]: keys for urn, keys in changed(empty, graph).items()} == {
        "aws:rds/cluster:Cluster": {"snapshotIdentifier"}
    }
    (recovery,) = [vault for vault in graph.of("aws:backup/vault:Vault") if vault.inputs.get("region")]
    assert recovery.inputs["region"] == "us-east-1"


def test_another_reader_leaves_the_writer_alone() -> None:
    before = graph_of("dev", (Layer.BASE, Layer.DATA))
    after = graph_of("dev", (Layer.BASE, Layer.DATA), ledgerReaders=2)
    assert changed(before, after) == {}
    (added,) = set(after.by_urn()) - set(before.by_urn())
    assert added.endswith("::ledger-us-east-1c")


def test_the_same_settings_make_the_same_graph_twice() -> None:
    again = graph_of.__wrapped__("dev", (Layer.BASE,))
    assert changed(graph_of("dev", (Layer.BASE,)), again) == {}
    assert set(again.by_urn()) == set(graph_of("dev", (Layer.BASE,)).by_urn())


def test_qldb_is_declared_with_its_stream_and_role_beside_the_database() -> None:
    graph = graph_of("dev", (Layer.BASE, Layer.DATA), ledgerEngine="qldb")
    (stream,) = graph.of("aws:qldb/stream:Stream")
    assert not stream.inputs["kinesisConfiguration"]["aggregationEnabled"]
    assert graph.named("aws:qldb/ledger:Ledger", "qldb").inputs["permissionsMode"] == "STANDARD"
    assert graph.of("aws:rds/cluster:Cluster")


def test_the_warehouse_may_be_serverless() -> None:
    graph = graph_of("dev", (Layer.BASE, Layer.DATA), warehouseEngine="serverless")
    assert not graph.of("aws:redshift/cluster:Cluster")
    (group,) = graph.of("aws:redshiftserverless/workgroup:Workgroup")
    assert not group.inputs["publiclyAccessible"]
    assert {"parameterKey": "require_ssl", "parameterValue": "true"} in group.inputs["configParameters"]


def test_no_nat_leaves_private_subnets_without_a_way_out() -> None:
    graph = graph_of("dev", (Layer.BASE,), nat="none")
    assert not graph.of("aws:ec2/natGateway:NatGateway")
    assert not [route.name for route in graph.of("aws:ec2/route:Route") if "private" in route.name]
