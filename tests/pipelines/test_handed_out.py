"""Tests that builds may make calls that return credentials or stored data only where a table gives the reason.

Wildcards in actions are expanded by AWS's own list of actions. A build that makes roles could give a role further
rights, so it runs only after a merge (pipelines/layer_permissions.py); but no wildcard may allow more than was
intended.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from policies.rules.actions import expanded
from tests.pipelines.test_build_permissions import own
from tests.stacks.graphs import graph_of

HANDS_OUT = {
    "another identity": (
        "sts:Assume*",
        "sts:Get*Token",
        "eks-auth:*",
        "codeconnections:Use*",
        "codeartifact:Get*Token",
    ),
    "a login to a database": (
        *("rds-db:*", "dsql:DbConnect*", "redshift:GetClusterCredentials*", "redshift:JoinGroup"),
        *("redshift*:GetIdentityCenterAuthToken", "redshift-serverless:GetCredentials", "redshift-data:*"),
    ),
    "a secret": (
        *("secretsmanager:*GetSecretValue", "secretsmanager:PutResourcePolicy", "ssm:GetParameter*"),
        *("ec2:GetPasswordData", "wafv2:GetDecryptedAPIKey", "ecr*:GetAuthorizationToken", "acm:ExportCertificate"),
        *("cognito-idp:DescribeUserPoolClient", "cognito-idp:*ListUserPoolClientSecrets", "cognito-idp:GetTokens*"),
    ),
    "the use of a key": ("kms:Decrypt", "kms:ReEncrypt*", "kms:CreateGrant"),
    "what is stored": (
        *("s3:GetObject", "s3:GetObjectVersion", "sqs:ReceiveMessage", "rds:Download*", "backup:StartRestoreJob"),
        *("kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:SubscribeToShard", "kinesis:PutResourcePolicy"),
        *("ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "lambda:GetFunction", "lambda:GetLayerVersion"),
    ),
    "what is logged": (
        *("logs:GetLogEvents", "logs:GetLogRecord", "logs:GetQueryResults", "logs:GetScheduledQuery*"),
        *("logs:FilterLogEvents", "logs:StartQuery", "logs:StartLiveTail", "logs:Unmask", "logs:CreateExportTask"),
        *("logs:PutSubscriptionFilter", "logs:PutDestination*", "cloudtrail:GetQueryResults"),
        *("wafv2:GetSampledRequests", "cognito-idp:ListUsers*", "cognito-idp:AdminGet*", "cognito-idp:GetUser"),
    ),
}
LAYERS = {"up-base", "up-data", "runner"}
PREVIEWS = {"preview-up", "preview-down", "preview-expired"}
PIPELINES = {
    *("pods-pipeline", "functions-pipeline", "platform-pipeline"),
    *("previews-pipeline", "previews-end-pipeline", "previews-expired-pipeline"),
}
IMAGES = {"pods-image", "previews-image"}
# What is allowed: to which roles (None: all that work with the pipelines' artifacts), and why.
ALLOWED: dict[str, tuple[set[str] | None, str]] = {
    "s3:GetObject": (None, "builds take what the step before gave, and Pulumi reads its state"),
    "s3:GetObjectVersion": (None, "the version of an artifact that the pipeline names"),
    "kms:Decrypt": (None, "artifacts, state and the functions' zips are encrypted"),
    "kms:CreateGrant": (LAYERS | PREVIEWS, "AWS's services take grants for what is made; nobody else by the condition"),
    "sts:AssumeRole": (PIPELINES, "a pipeline takes the roles of its own actions, which its policy names"),
    "codeconnections:UseConnection": (None, "whatever clones the repository, by the one connection to it"),
    "ecr:GetAuthorizationToken": (IMAGES, "images are pushed"),
    "ecr:BatchGetImage": (IMAGES, "layers are used again"),
    "ecr:GetDownloadUrlForLayer": (IMAGES, "layers are used again"),
    "lambda:GetFunction": (
        {"canary", "runner"} | PREVIEWS,
        "Pulumi and CodePipeline read a function by it",
    ),
    "cognito-idp:DescribeUserPoolClient": ({"up-base"} | PREVIEWS, "Pulumi reads a client by it; ours have no secret"),
    "ssm:GetParameter": ({"rollout"} | LAYERS, "what was delivered, and what is handed to previews: no secrets"),
    "ssm:GetParametersByPath": ({"diff", "runner"} | PREVIEWS, "what was delivered, and what previews are told"),
    "rds-db:connect": ({"preview-up"}, "seeds a preview's database, as its owner"),
}


def handed_out(statements: list[dict[str, Any]]) -> Iterator[str]:
    patterns = [pattern for group in HANDS_OUT.values() for pattern in group]
    for statement in statements:
        if statement["Effect"] == "Allow":
            for action in (action.name for text in statement["Action"] for action in expanded(text)):
                if any(fnmatchcase(action, pattern) for pattern in patterns):
                    yield action


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_builds_get_no_credentials_and_nothing_stored_without_a_reason(environment: str) -> None:
    roles = own(graph_of(environment))
    assert roles
    for name, statements in roles.items():
        for action in handed_out(statements):
            allowed, _ = ALLOWED.get(action, (set(), ""))
            assert allowed is None or name in allowed, f"{name} may {action}"


def test_each_reason_is_for_something_that_is_allowed() -> None:
    roles = {**own(graph_of("prod")), **own(graph_of("dev"))}
    used = {(action, name) for name, statements in roles.items() for action in handed_out(statements)}
    assert {action for action, _ in used} == set(ALLOWED)
    for action, (names, why) in ALLOWED.items():
        assert len(why) > 15
        assert {(action, name) for name in names or ()} <= used, action


def test_a_grant_is_for_aws_services_alone() -> None:
    conditions = [
        statement["Condition"]
        for environment in ("dev", "prod")
        for statements in own(graph_of(environment)).values()
        for statement in statements
        if statement["Effect"] == "Allow" and "kms:CreateGrant" in statement["Action"]
    ]
    assert conditions
    assert [condition for condition in conditions if condition != {"Bool": {"kms:GrantIsForAWSResource": "true"}}] == []


def test_each_call_that_hands_out_is_one_that_aws_has() -> None:
    named = [pattern for patterns in HANDS_OUT.values() for pattern in patterns if "*:" not in pattern]
    assert named
    assert [pattern for pattern in named if not all(action.level for action in expanded(pattern))] == []
