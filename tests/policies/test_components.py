"""Tests of policies on a component without inputs, as the engine shows it: the resources it makes are judged."""

from dataclasses import replace

from policies.rules.kubernetes import CLUSTER, COMPONENT
from policies.rules.rule import Stack, Subject
from tests.policies import good
from tests.policies.cases import RULES, TODAY

URN = f"urn:pulumi:cluster.prod::rewards::rewards:cluster:Cluster${COMPONENT}"
HOLLOW = Subject(COMPONENT, "cluster", f"{URN}::cluster", {})
(GOOD,) = good.other().of(CLUSTER)
ITS_CLUSTER = replace(GOOD, urn=f"{URN}${CLUSTER}::cluster-eksCluster")
CONFIG = {"today": TODAY}
NODE_CLASS = "kubernetes:eks.amazonaws.com/v1:NodeClass"
NODES = Subject(
    NODE_CLASS, "nodes", f"urn:pulumi:cluster.prod::rewards::{NODE_CLASS}::nodes", {"spec": {"role": "its"}}
)


def violated(subject: Subject, *others: Subject) -> set[str]:
    """Return the names of the rules that the resource violates, in a stack with the others."""
    stack = Stack((subject, *others))
    return {
        name for name, rule in RULES.items() if rule.about(subject.type) and rule.judge(subject, CONFIG, stack).faults
    }


def test_an_eks_component_without_inputs_is_judged_by_the_cluster_that_it_made() -> None:
    """If policies judged the component, they would refuse every update of the cluster layer by the real engine."""
    assert violated(HOLLOW, ITS_CLUSTER) == set()
    assert violated(ITS_CLUSTER, HOLLOW) == set()
    opened = replace(ITS_CLUSTER, props={**ITS_CLUSTER.props, "vpcConfig": {"endpointPublicAccess": True}})
    assert {"cluster-api-not-open", "cluster-api-private"} <= violated(opened, HOLLOW)


def test_an_eks_component_that_made_no_cluster_is_told() -> None:
    elsewhere = replace(GOOD, urn=f"urn:pulumi:cluster.prod::rewards::{CLUSTER}::another")
    assert violated(HOLLOW) == violated(HOLLOW, elsewhere) == {"cluster-is-judged"}
    with_outputs = replace(HOLLOW, props={"kubeconfigJson": "{}"})  # as of a whole stack
    assert "cluster-is-judged" in violated(with_outputs, elsewhere)
    assert "cluster-is-judged" not in violated(with_outputs, ITS_CLUSTER)


def test_a_component_that_has_its_inputs_is_judged_by_them() -> None:
    names = violated(replace(HOLLOW, props={"endpointPublicAccess": True}))
    assert "cluster-api-not-open" in names
    assert "cluster-is-judged" not in names


def test_eks_itself_lets_in_nodes_that_have_the_role_of_its_built_in_pools() -> None:
    built_in = {"nodePools": ["system"], "nodeRoleArn": "arn:aws:iam::123456789012:role/its"}
    cases = {
        "its role": (built_in, set()),
        "another role": (
            built_in | {"nodeRoleArn": "arn:aws:iam::123456789012:role/not-its"},
            {"nodes-have-access-entries"},
        ),
        "no built-in pool": (built_in | {"nodePools": []}, {"nodes-have-access-entries"}),
    }
    for name, (config, expected) in cases.items():
        cluster = replace(ITS_CLUSTER, props={**ITS_CLUSTER.props, "computeConfig": config})
        assert violated(NODES, HOLLOW, cluster) == expected, name


def test_nodes_with_a_role_of_the_programs_own_need_an_access_entry() -> None:
    """Where the engine doesn't run, the node class's role is known by where it comes from."""
    role = Subject("aws:iam/role:Role", "nodes", "urn:pulumi:cluster.prod::rewards::aws:iam/role:Role::nodes", {})
    component = replace(HOLLOW, props={"autoMode": {"computeConfig": {"nodePools": ["system"]}}})
    its = replace(NODES, links={"spec": frozenset({component.urn})})
    ours = replace(NODES, links={"spec": frozenset({component.urn, role.urn})})
    assert violated(its, component, role) == set()
    assert violated(ours, component, role) == {"nodes-have-access-entries"}
