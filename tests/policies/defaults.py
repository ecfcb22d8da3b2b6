"""Mutation test of policies: flips each secure default of the program and reports which policies fire.

`python -m tests.policies.defaults` prints the table. A property counts as a secure default by its name, independent of
the rules, so a default that no rule checks is found.
"""

import re
from collections.abc import Iterator
from typing import Any

from policies.rules.pods import DEPLOYMENT
from policies.rules.rule import Stack
from tests.policies import good
from tests.policies.cases import REMOVED, RULES, apply, judged

_SECURE = re.compile(
    r"encrypt|kms|key_?arn|keyid|public|tls|ssl|protect|versioning|multiaz|multiregion|log(ging|s|group|exports|config)"
    r"|retention|rotat|blockpublic|restrict|immut|scan|iamauth|iamdatabase|privileg|tracing|concurren|deadletter|bisect"
    r"|maximumretry|boundar|mfa|advancedsecurity|validation|drop|desync|monitor|tokens|hop|mutability|lockenabled",
    re.IGNORECASE,
)
_SECURE_OF_PODS = re.compile(r"securityContext|resources|automount|affinity|topologySpread|image$")
# Where removing or negating is not what makes it insecure.
_FLIPS: dict[tuple[str, str], Any] = {
    ("aws:lb/loadBalancer:LoadBalancer", "desyncMitigationMode"): "monitor",
    ("aws:codebuild/project:Project", "logsConfig"): {"cloudwatchLogs": {"status": "DISABLED"}},
}
# What has such a name and is no default that could be turned off.
NO_DEFAULT = {
    ("aws:acm/certificate:Certificate", "validationMethod"): "AWS issues no certificate without",
    ("aws:acm/certificateValidation:CertificateValidation", "validationRecordFqdns"): "which records prove the domain",
    ("aws:backup/vaultLockConfiguration:VaultLockConfiguration", "maxRetentionDays"): "keeps costs down, not copies",
    ("aws:cloudwatch/logMetricFilter:LogMetricFilter", "logGroupName"): "which log a figure is read from",
    ("aws:kms/alias:Alias", "targetKeyId"): "which key a name is for",
    ("aws:lambda/function:Function", "loggingConfig"): "the format of logs that are kept anyway",
    ("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig", "maximumRetryAttempts"): "AWS's own is the same",
    ("aws:rds/clusterInstance:ClusterInstance", "monitoringRoleArn"): "who writes what monitoringInterval asks for",
    ("aws:redshift/cluster:Cluster", "multiAz"): "AWS relocates the cluster instead, which a policy asks for",
    ("aws:redshift/snapshotCopy:SnapshotCopy", "retentionPeriod"): "how long the second region keeps a copy",
    (
        "aws:s3/bucket:Bucket",
        "objectLockEnabled",
    ): "the lock's configuration, which a policy asks for, can't be without",
    ("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "objectLockEnabled"): "its only value",
    ("aws:sqs/queue:Queue", "messageRetentionSeconds"): "how long a person has for a dead letter",
    (DEPLOYMENT, "spec.template.spec.securityContext.fsGroup"): "which number; root is refused by runAsNonRoot",
    (DEPLOYMENT, "spec.template.spec.securityContext.runAsGroup"): "which number; root is refused by runAsNonRoot",
    (DEPLOYMENT, "spec.template.spec.securityContext.runAsUser"): "which number; root is refused by runAsNonRoot",
    (DEPLOYMENT, "spec.template.spec.securityContext.runAsNonRoot"): "each container says it, as a policy asks",
}


def defaults() -> Iterator[tuple[Stack, str, str, Any]]:
    """Yield each secure default of prod once by type and property: its stack, type, path and value."""
    seen = set()
    for stack in good.prod():
        for subject in stack.subjects:
            for path, value in _paths(subject.type, subject.props):
                if (subject.type, path) not in seen:
                    seen.add((subject.type, path))
                    yield stack, subject.type, path, value


def _paths(type_: str, props: Any) -> Iterator[tuple[str, Any]]:
    if type_ == DEPLOYMENT:
        yield from ((path, value) for path, value in _leaves("", props) if _SECURE_OF_PODS.search(path))
    elif type_.startswith(("aws:", "eks:")):
        yield from ((name, value) for name, value in props.items() if _SECURE.search(name))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from _leaves(f"{path}.{name}".lstrip("."), part)
    if not parts:
        yield path, value


def table() -> dict[tuple[str, str], set[str]]:
    """Return, by type and property, the policies that fire when the property is flipped in all such resources."""
    before = {id(stack): _violations(stack) for stack in good.prod()}
    fired: dict[tuple[str, str], set[str]] = {}
    for stack, type_, path, value in defaults():
        violations = before.get(id(stack)) or _violations(stack)
        flips = [_FLIPS[type_, path]] if (type_, path) in _FLIPS else [not value] * isinstance(value, bool) + [REMOVED]
        fired[type_, path] = {
            rule for flip in flips for rule, *_ in _violations(apply(stack, (type_, f"*{path}", flip))) - violations
        }
    return fired


def _violations(stack: Stack) -> set[tuple[str, str, str]]:
    return {
        (name, subject.urn, fault)
        for name, rule in RULES.items()
        for subject, verdict in judged(rule, stack)
        for fault in verdict.faults
    }


if __name__ == "__main__":
    for (type_, path), rules in table().items():
        print(f"{type_} {path}: {', '.join(sorted(rules)) or NO_DEFAULT.get((type_, path), 'NOT COVERED')}")
