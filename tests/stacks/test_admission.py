"""Tests of the policies that decide which Kubernetes objects are admitted."""

import re
from typing import Any

from app.processes import CARE
from pipelines import preview
from stacks import admission
from tests.stacks.graphs import graph_of, preview_on_dev

_KINDS = "kubernetes:admissionregistration.k8s.io/v1:"


def rules() -> dict[str, dict[str, Any]]:
    """Return the spec of each admission policy, by the first kind of object (`services`) that it judges."""
    policies = graph_of("dev").of(f"{_KINDS}ValidatingAdmissionPolicy")
    return {
        policy.inputs["spec"]["matchConstraints"]["resourceRules"][0]["resources"][0]: policy.inputs["spec"]
        for policy in policies
    }


def test_what_the_policies_do_not_admit_is_refused() -> None:
    dev = graph_of("dev")
    bindings = [each.inputs["spec"] for each in dev.of(f"{_KINDS}ValidatingAdmissionPolicyBinding")]
    assert {binding["policyName"] for binding in bindings} == {
        each.name for each in (*admission.PREVIEWS, *admission.CARED)
    }
    assert all(binding["validationActions"] == ["Deny"] for binding in bindings)
    assert {spec["failurePolicy"] for spec in rules().values()} == {"Fail"}


def test_only_a_host_of_previews_has_the_policies() -> None:
    assert {*rules()} == {"namespaces", "services", "targetgroupbindings", "horizontalpodautoscalers"}
    policies = graph_of("prod").of(f"{_KINDS}ValidatingAdmissionPolicy")
    assert [policy.name for policy in policies] == [CARE]


def test_what_previews_places_may_write_is_judged() -> None:
    """A namespace that is there is made by nobody and looked at by all: `get` needs no judge."""
    (role,) = [
        role.inputs["rules"]
        for role in graph_of("dev").of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole")
        if role.name == "preview-places"
    ]
    written = {
        (kind, verb.upper())
        for rule in role
        for kind in rule["resources"]
        for verb in rule["verbs"]
        if verb not in {"get", "bind"}
    }
    judged = {
        (kind, operation)
        for rule in rules()["namespaces"]["matchConstraints"]["resourceRules"]
        for kind in rule["resources"]
        for operation in rule["operations"]
    }
    assert judged == written
    assert admission.PLACES in rules()["namespaces"]["matchConditions"][0]["expression"]


def test_a_previews_own_target_groups_have_the_names_that_are_admitted() -> None:
    own = [each for each in preview_on_dev().of("aws:lb/targetGroup:TargetGroup") if each.stack == "apps.pr-123"]
    (validation,) = rules()["targetgroupbindings"]["validations"]
    (text,) = re.findall(r"matches\('(.*)'\)$", validation["expression"])
    pattern = text.replace("' + request.namespace + '", "pr-123")
    names = [preview.naming("123").replace("${name}", each.name).replace("${hex(7)}", "1a2b3c4") for each in own]
    assert names
    for name in names:
        group = f"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/0123456789abcdef"
        assert re.search(pattern, group)
        assert not re.search(pattern, group.replace("pr-123", "pr-12"))
