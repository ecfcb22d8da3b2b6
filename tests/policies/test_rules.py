"""Tests of every policy rule: on a good resource, each violation, and missing and unknown properties."""

from dataclasses import replace

import pytest
from pulumi_policy.proxy import unknown_checking_proxy

from policies.rules.properties import Must
from policies.rules.rule import Rule, Stack
from tests.policies import good
from tests.policies.cases import (
    BAD,
    PREVIEW_BAD,
    REMOVED,
    RULES,
    UNKNOWN,
    Change,
    apply,
    changed,
    judged,
    musts,
)
from tests.policies.insecure import CHANGES

# Rules about components without inputs have tests of their own: test_components.py.
OF_RESOURCES = [name for name, rule in RULES.items() if not rule.hollow and (rule.types or rule.musts)]
# Rules whose ways to be bad are resources that are added, which the real pack judges: test_insecure.py.
ADDED = {policy for policy, _, _ in CHANGES.values()}
# Waived: see policies/waivers.toml.
WAIVED = {
    ("cluster-bindings-narrow", "cluster-care"),
    ("policy-names-resources", "preview"),
    ("secret-rotated", "vendor-tokens"),
}
# Which rules are content when their resource says nothing: AWS's default is good, or there is nothing that could be bad.
CONTENT_WITH_NOTHING = {
    "vpc-default-group-closed", "disks-encrypted-by-default", "function-invokers", "subnets-no-public-address", "routes-public-alone", "redirects-stay-here", "ingress-from-anywhere", "network-acl-admin-ports", "launch-template-no-public-address",
    "pods-identity", "function-place", "function-in-two-zones", "function-no-credentials", "warehouse-upgrades",
    "database-not-public", "database-minor-upgrades", "keys-not-all-decrypted", "policy-not-everything",
    "policy-no-whole-service", "role-no-administrator", "resource-not-for-everybody", "service-acts-for-us-alone",
    "trust-names-an-account", "preview-role-bounded", "build-no-credentials", "build-logs", "build-not-privileged",
    "pipeline-approval", "pipeline-rollback", "pipeline-no-latest", "pipeline-findings", "balancer-redirects", "balancer-tls", "balancer-desync",
    "pods-not-root", "pods-read-only", "pods-no-capabilities", "pods-resources", "pods-image-by-digest", "pods-no-credentials",
    "preview-expires", "preview-ceiling", "version-ends-soon",
    "cluster-no-access-map", "cluster-access-declared", "cluster-roles-narrow", "webhooks-inside", "pods-volumes",
    "services-inside", "network-policy-narrow", "bucket-is-no-site", "policy-names-actions", "policy-names-resources",
    "policy-gives-no-rights", "account-is-ours", "build-private", "machines-without-public-address", "no-password-in-program",
}  # fmt: skip
# Rules that a change of a resource doesn't break on the day of the trial: test_lifetimes.py tries them on others.
OF_OTHER_DAYS = {"version-ends-soon"}
# Rules for which what is unknown changes nothing: they look at what stands about a resource, or at its being there,
# or at what a good one does not say.
SURE_WITHOUT_VALUES = {
    *("database-backed-up", "secret-rotated", "no-qldb", "budget", "disks-encrypted-by-default", "bucket-is-no-site"),
    "build-private",
}


def fired(rule: Rule, change: Change, stacks: tuple[Stack, ...]) -> bool:
    """Return whether the change makes the rule report a new violation, in the first stack with such a resource."""
    for stack in stacks:
        if change[0] in stack.by_type:
            before = {(subject.urn, fault) for subject, verdict in judged(rule, stack) for fault in verdict.faults}
            after = [
                (subject.urn, fault)
                for subject, verdict in judged(rule, apply(stack, change))
                for fault in verdict.faults
            ]
            if set(after) - before:
                return True
    return False


@pytest.mark.parametrize("name", OF_RESOURCES)
def test_a_good_resource_passes(name: str) -> None:
    rule = RULES[name]
    judgements = [subject for stack in (*good.prod(), *good.preview()) for subject in judged(rule, stack)]
    if name == "no-qldb":
        judgements = [(subject, rule.judge(subject, {"acknowledged": True})) for subject in good.qldb().subjects]
    assert judgements, "no resource to try it on"
    bad = [(subject.name, verdict) for subject, verdict in judgements if verdict.faults and ".pr-" not in subject.urn]
    assert not [row for row in bad if (name, row[0]) not in WAIVED]
    assert not [verdict for _, verdict in judgements if verdict.unknown]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, rule in RULES.items()
        if (rule.check or rule.stack_check or rule.companions) and name not in OF_OTHER_DAYS and not rule.hollow
    ],
)
def test_each_way_to_be_bad_is_told(name: str) -> None:
    ways = BAD.get(name, []) + PREVIEW_BAD.get(name, [])
    assert ways or name in ADDED, "no way to be bad is tried"
    missed = [
        way
        for way in BAD.get(name, [])
        if not fired(RULES[name], way, (*good.prod(), good.qldb())) and name != "no-qldb"
    ]
    missed += [way for way in PREVIEW_BAD.get(name, []) if not fired(RULES[name], way, good.preview())]
    assert not missed


def test_qldb_is_refused_unless_acknowledged() -> None:
    ((_, verdict),) = judged(RULES["no-qldb"], good.qldb())
    assert verdict.faults


@pytest.mark.parametrize(
    ("rule", "type_", "must"), musts(), ids=lambda it: getattr(it, "name", getattr(it, "path", it))
)
def test_a_property_that_is_wrong_or_missing_is_told(rule: Rule, type_: str, must: Must) -> None:
    assert must.condition.bad
    for bad in must.condition.bad:
        assert fired(rule, (type_, f"*{must.path}", bad), good.prod()), bad
    missing = fired(rule, (type_, f"*{must.path}", REMOVED), good.prod())
    assert missing != must.condition.holds(must.default), "a missing property is a fault, unless AWS's default is good"


@pytest.mark.parametrize(
    ("rule", "type_", "must"), musts(), ids=lambda it: getattr(it, "name", getattr(it, "path", it))
)
def test_a_property_that_is_unknown_is_undecided(rule: Rule, type_: str, must: Must) -> None:
    stacks = [stack for stack in good.prod() if type_ in stack.by_type]
    assert stacks
    for stack in stacks:
        unknown = tuple(
            replace(subject, props=unknown_checking_proxy(changed(subject.props, must.path, UNKNOWN)))
            if subject.type == type_
            else subject
            for subject in stack.subjects
        )
        verdicts = [verdict for _, verdict in judged(rule, Stack(unknown))]
        assert not verdicts or any(verdict.unknown for verdict in verdicts)
        assert not [fault for verdict in verdicts for fault in verdict.faults if must.path in fault]


def _with_all(stack: Stack, rule: Rule, value: str | None) -> Stack:
    """Return the stack with all properties that the rule judges missing or, given `value`, unknown."""
    types = {change[0] for change in BAD.get(rule.name, []) + PREVIEW_BAD.get(rule.name, [])}
    types |= {companion.type for companion in rule.companions}
    return Stack(
        tuple(
            replace(subject, props=unknown_checking_proxy(dict.fromkeys(subject.props, value) if value else {}))
            if rule.about(subject.type) or subject.type in types
            else subject
            for subject in stack.subjects
        )
    )


@pytest.mark.parametrize("name", OF_RESOURCES)
def test_what_is_all_unknown_never_passes(name: str) -> None:
    rule = RULES[name]
    preview = not BAD.get(name) and name in PREVIEW_BAD
    missing = [
        verdict
        for stack in (good.preview() if preview else (*good.prod(), good.qldb()))
        for _, verdict in judged(rule, _with_all(stack, rule, UNKNOWN))
    ]
    assert any(verdict.unknown for verdict in missing) or name in SURE_WITHOUT_VALUES or any(v.faults for v in missing)


@pytest.mark.parametrize("name", OF_RESOURCES)
def test_what_says_nothing_is_told_unless_that_is_good(name: str) -> None:
    rule = RULES[name]
    messages = [
        fault
        for stack in (*good.prod(), good.qldb())
        for _, verdict in judged(rule, _with_all(stack, rule, None))
        for fault in verdict.faults
    ]
    assert bool(messages) != (name in CONTENT_WITH_NOTHING)
