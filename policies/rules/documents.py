"""IAM documents: the statements of identities' and resources' policies."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from policies.rules.properties import items, value

# The property that holds each resource's policy: identities' policies apply to their holder, resources' to principals.
IDENTITY = {"aws:iam/policy:Policy": "policy", "aws:iam/rolePolicy:RolePolicy": "policy"}
IDENTITY |= {"aws:iam/userPolicy:UserPolicy": "policy", "aws:iam/groupPolicy:GroupPolicy": "policy"}
RESOURCE = {
    "aws:backup/vaultPolicy:VaultPolicy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:iam/role:Role": "assumeRolePolicy",
    "aws:kinesis/resourcePolicy:ResourcePolicy": "policy",
    "aws:kms/key:Key": "policy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
}
# CloudTrail looks at a key without saying for which trail; it learns nothing that is encrypted.
_METADATA = {"kms:DescribeKey"}
_SOURCES = ("aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "kms:EncryptionContext:")


def statements(props: Mapping[str, Any], key: str, effect: str = "Allow") -> Iterator[Mapping[str, Any]]:
    text = value(props, key)
    if text:
        for statement in items(json.loads(text) if isinstance(text, str) else text, "Statement"):
            if statement.get("Effect") == effect:
                yield statement


def principals(statement: Mapping[str, Any], kind: str) -> list[str]:
    """The principals of a kind (AWS, Service …). `*` alone means everybody, for every kind."""
    principal = statement.get("Principal")
    return ["*"] if principal == "*" else items(principal or {}, kind)


def names_its_source(statement: Mapping[str, Any]) -> bool:
    """Whether a service acts only for our account: by a condition, or by a path that contains the account."""
    conditions = [key for test in (statement.get("Condition") or {}).values() for key in test]
    revealing = set(items(statement, "Action")) - _METADATA
    under_account = all("/AWSLogs/" in resource for resource in items(statement, "Resource") or [""])
    return any(key.startswith(_SOURCES) for key in conditions) or under_account or not revealing
