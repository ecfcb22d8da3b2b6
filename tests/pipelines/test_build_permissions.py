"""Tests of the permissions of the pipelines' roles: exactly those of a table, and none on `*` that AWS could scope."""

import fnmatch
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest

from pipelines import build_permissions, layer_permissions
from stacks.offline.recording import Graph
from tests.stacks.graphs import graph_of

ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
# Layers are listed in pipelines/layer_permissions.py; this is all else in prod's account.
ARTIFACTS = {
    "s3:GetObject": {"objects of artifacts"},
    "s3:GetObjectVersion": {"objects of artifacts"},
    "s3:GetBucketLocation": {"artifacts"},
    "s3:GetBucketVersioning": {"artifacts"},
    "kms:Decrypt": {"key of artifacts"},
    "kms:DescribeKey": {"key of artifacts"},
    "kms:GenerateDataKey": {"key of artifacts"},
}
KEEPS = ARTIFACTS | {"s3:PutObject": {"objects of artifacts"}}
STARTS = KEEPS | {"codebuild:BatchGetBuilds": {"its build"}, "codebuild:StartBuild": {"its build"}}
LOGS = {f"logs:{action}": {"its logs"} for action in ("CreateLogStream", "DescribeLogStreams", "PutLogEvents")}
JOINS = {
    **{
        f"ec2:Describe{kind}": {"*"}
        for kind in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
    },
    "ec2:CreateNetworkInterface": {"interfaces, subnets and groups"},
    "ec2:DeleteNetworkInterface": {"interfaces, subnets and groups"},
    "ec2:CreateNetworkInterfacePermission": {"interfaces"},
}
CLONES = {"codeconnections:UseConnection": {"the connection"}}
RUNS = KEEPS | LOGS
REGISTRY = {
    f"ecr:{action}": {"the images"}
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
} | {"ecr:GetAuthorizationToken": {"*"}}
PIPELINE = KEEPS | CLONES | {"sts:AssumeRole": {"its actions' roles"}}
ASKS = {
    "sns:Publish": {"alerts"},
    "kms:Decrypt": {"key of artifacts", "key of logs"},
    "kms:GenerateDataKey": {"key of artifacts", "key of logs"},
}
MANAGED_LOGS = {"logs:CreateLogStream": {"its logs"}, "logs:PutLogEvents": {"its logs"}}
TABLE: dict[str, dict[str, set[str]]] = {
    "pods-pipeline": PIPELINE | ASKS,
    "functions-pipeline": PIPELINE | ASKS,
    "platform-pipeline": PIPELINE | ASKS,
    "check": RUNS
    | CLONES
    | {f"codebuild:{action}": {"its report"} for action in ("CreateReport", "UpdateReport", "BatchPutTestCases")},
    "check-start": STARTS,
    "package": RUNS | CLONES,
    "package-start": STARTS,
    "pods-image": KEEPS
    | MANAGED_LOGS
    | REGISTRY
    | {
        f"ecr:{action}": {"the images"}
        for action in (
            *("CompleteLayerUpload", "DescribeImages", "DescribeRepositories"),
            *("InitiateLayerUpload", "PutImage", "UploadLayerPart"),
        )
    },
    "pods-findings": RUNS | {"inspector2:ListCoverage": {"*"}, "inspector2:ListFindings": {"*"}},
    "pods-findings-start": STARTS,
    "pods-rebuilt": {
        "codepipeline:StartPipelineExecution": {"the pods' pipeline"},
        "sqs:SendMessage": {"missed starts"},
        "kms:GenerateDataKey": {"key of logs"},
        "kms:Decrypt": {"key of logs"},
    },
    "smoke": RUNS,
    "smoke-start": STARTS,
    "diff": RUNS
    | JOINS
    | {
        "eks:DescribeCluster": {"the cluster"},
        "ssm:GetParametersByPath": {"what was delivered"},
        "s3:GetObject": {"objects of artifacts", "objects of state"},
        "s3:ListBucket": {"state"},
        "s3:PutObject": {"objects of artifacts", "locks of state"},
        "s3:DeleteObject": {"locks of state"},
        "kms:Decrypt": {"key of artifacts", "key of state"},
        "kms:GenerateDataKey": {"key of artifacts", "key of state"},
    },
    "diff-start": STARTS,
    "rollout": RUNS
    | JOINS
    | {
        "eks:DescribeCluster": {"the cluster"},
        "ssm:GetParameter": {"what was delivered"},
        "ssm:PutParameter": {"what was delivered"},
    },
    "rollout-start": STARTS,
    "publish": RUNS
    | {
        **{
            f"lambda:{action}": {"all functions"}
            for action in ("GetFunctionConfiguration", "PublishVersion", "UpdateFunctionCode")
        },
        "lambda:ListFunctions": {"*"},
        "signer:StartSigningJob": {"the profile"},
        "signer:DescribeSigningJob": {"signing jobs"},
        "s3:GetObject": {"objects of artifacts", "code to sign"},
        "s3:GetObjectVersion": {"objects of artifacts", "code to sign"},
        "s3:PutObject": {"objects of artifacts", "code to sign"},
        "s3:ListBucket": {"staging"},
        "kms:Decrypt": {"key of artifacts", "key of data"},
        "kms:GenerateDataKey": {"key of artifacts", "key of data"},
    },
    "publish-start": STARTS,
    "record": RUNS
    | {
        "lambda:ListFunctions": {"*"},
        "lambda:GetAlias": {"each function"},
        "ssm:PutParameter": {"what was delivered"},
    },
    "record-start": STARTS,
    "canary": ARTIFACTS
    | {
        f"lambda:{action}": {"each function"}
        for action in (
            *("GetAlias", "GetFunction", "GetFunctionConfiguration"),
            *("GetProvisionedConcurrencyConfig", "ListVersionsByFunction", "UpdateAlias"),
        )
    }
    | {"cloudwatch:DescribeAlarms": {"each function's alarm"}},
    **{f"{job}-start": STARTS for job in ("up-base", "up-data", "runner")},
    "runner-artifacts": ARTIFACTS,
}
# The roles of builds that deploy layers, with their layers.
DEPLOYING = {"up-base": ("base",), "up-data": ("data",), "runner": ("cluster", "apps")}
# How an ARN is called in the table. Made-up ones of the recording are recognised by the resource's own name.
CALLED = [
    (r"arn:aws:s3:+artifacts-\w+/\*", "objects of artifacts"),
    (r"arn:aws:s3:+artifacts-\w+", "artifacts"),
    (r"arn:aws:s3:::bucket-\w+/functions/\*", "code to sign"),
    (r"arn:aws:s3:::bucket-\w+", "staging"),
    (r"arn:aws:signer:us-east-1:123456789012:/signing-profiles/[\w-]+", "the profile"),
    (r"arn:aws:signer:us-east-1:123456789012:/signing-jobs/\*", "signing jobs"),
    (r"arn:aws:kms:.*:artifacts-\w+", "key of artifacts"),
    (r"arn:aws:kms:.*:keys-logs-\w+", "key of logs"),
    (r"arn:aws:kms:.*:keys-data-\w+", "key of data"),
    (r"arn:aws:kms:.*:key/0{8}-.*", "key of state"),
    (r"arn:aws:s3:::rewards-prod-state/\.pulumi/locks/\*", "locks of state"),
    (r"arn:aws:s3:::rewards-prod-state/\*", "objects of state"),
    (r"arn:aws:s3:::rewards-prod-state", "state"),
    (r"arn:aws:codeconnections:.*:source-\w+", "the connection"),
    (r"arn:aws:ecr:.*:app-\w+", "the images"),
    (r"arn:aws:sns:.*:alerts-\w+", "alerts"),
    (r"arn:aws:eks:us-east-1:123456789012:cluster/rewards-prod", "the cluster"),
    (r"arn:aws:ec2:us-east-1:123456789012:network-interface/\*", "interfaces"),
    (r"arn:aws:ec2:us-east-1:123456789012:(subnet|security-group)/\*", "subnets and groups"),
    (r"arn:aws:lambda:us-east-1:123456789012:function:rewards-prod-\*", "all functions"),
    (r"arn:aws:lambda:us-east-1:123456789012:function:rewards-prod-[a-z-]+(:\*)?", "each function"),
    (r"arn:aws:ssm:us-east-1:123456789012:parameter/rewards/delivered/\*", "what was delivered"),
    (r"arn:aws:cloudwatch:us-east-1:123456789012:alarm:rewards-prod-[a-z-]+-errors", "each function's alarm"),
    (r"arn:aws:codepipeline:us-east-1:123456789012:delivery-prod-pods", "the pods' pipeline"),
    (r"arn:aws:sqs:.*:pods-rebuilt-missed-\w+", "missed starts"),
    (r"arn:aws:iam:.*", "its actions' roles"),
    (r"\*", "*"),
]


def own(graph: Graph) -> dict[str, list[dict[str, Any]]]:
    """Return the policy statements of each role in the delivery layer, by policy name."""
    return {
        policy.name: json.loads(policy.inputs["policy"])["Statement"]
        for policy in graph.of(ROLE_POLICY)
        if policy.layer == "delivery" or policy.name == "runner"
    }


def called(name: str, arn: str) -> str:
    base = name.removesuffix("-start")
    if re.search(
        rf":(log-group:)?(/aws/code(build|pipeline)/[\w-]+|{base}-\w+|project/delivery-prod-{base})(:\*)?$", arn
    ):
        if ":logs:" in arn or ":cloudwatch:" in arn:
            return "its logs"
        if ":codebuild:" in arn:
            return "its build" if name.endswith("-start") else "its report"
    return next(word for pattern, word in CALLED if re.fullmatch(pattern, arn))


def resources_by_action(name: str, statements: list[dict[str, Any]]) -> dict[str, set[str]]:
    actions: dict[str, set[str]] = defaultdict(set)
    for statement in statements:
        words = {called(name, arn) for arn in statement["Resource"]}
        if words == {"interfaces", "subnets and groups"}:
            words = {"interfaces, subnets and groups"}
        for action in statement["Action"]:
            actions[action] |= words
    return dict(actions)


def test_each_role_may_do_what_the_table_says_and_nothing_else() -> None:
    policies = own(graph_of("prod"))
    assert set(policies) - set(DEPLOYING) == set(TABLE)
    for name, allowed in TABLE.items():
        assert resources_by_action(name, policies[name]) == allowed, name


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Any]:
    """Return AWS's service authorization reference, as cfn-lint carries it."""
    text = files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text()
    known: dict[str, Any] = json.loads(text)
    return known


def scoped(reference: Mapping[str, Any], action: str) -> list[bool]:
    """Return, for each action that the pattern matches, whether AWS can scope it to a resource."""
    service, pattern = action.split(":")
    known = reference[service]["Actions"]
    return [bool(of.get("Resources")) for name, of in known.items() if fnmatch.fnmatch(name, pattern.lower())]


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_nothing_is_allowed_everywhere_but_what_aws_scopes_to_nothing(
    environment: str, reference: Mapping[str, Any]
) -> None:
    policies = own(graph_of(environment))
    assert policies
    for name, statements in policies.items():
        for statement in statements:
            if "*" in statement["Resource"]:
                assert statement["Effect"] == "Allow"
                for action in statement["Action"]:
                    assert action in build_permissions.UNSCOPED, f"{name}: {action}"


def test_each_exception_has_its_reason_and_aws_really_names_no_resource(reference: Mapping[str, Any]) -> None:
    used = {
        action
        for environment in ("dev", "prod")
        for statements in own(graph_of(environment)).values()
        for statement in statements
        if "*" in statement["Resource"]
        for action in statement["Action"]
    }
    assert used == set(build_permissions.UNSCOPED)
    for action, why in build_permissions.UNSCOPED.items():
        assert len(why) > 20
        scope = scoped(reference, action)
        if action.endswith("*"):  # a whole kind of reads: at least one is scoped to nothing, and none of them changes
            assert re.search(r":(Describe|List)\*$", action)
            assert not all(scope)
        else:
            assert scope == [False], action


def test_every_action_that_is_allowed_exists(reference: Mapping[str, Any]) -> None:
    for environment in ("dev", "prod"):
        policies = own(graph_of(environment))
        assert policies
        for name, statements in policies.items():
            for statement in statements:
                for action in statement["Action"]:
                    assert scoped(reference, action), f"{name}: {action}"


# Where Pulumi's module is called otherwise than the service whose actions make it.
SERVICES = {
    "accessanalyzer": "access-analyzer",
    "cloudwatch/logGroup": "logs",
    "cloudwatch/logMetricFilter": "logs",
    "cognito": "cognito-idp",
    "ebs": "ec2",
    "lb": "elasticloadbalancing",
    "vpc": "ec2",
}
# These name no account in their ARNs; each is a name of this environment's or a zone's number.
NO_ACCOUNT = ("arn:aws:s3:::rewards-prod-", "arn:aws:s3::::artifacts", "arn:aws:route53:::")


def test_each_layer_is_deployed_by_one_role() -> None:
    assert sorted(layer for layers in DEPLOYING.values() for layer in layers) == sorted(layer_permissions.LAYERS)


def test_the_runner_may_hand_its_layers_exports_to_previews() -> None:
    dev = graph_of("dev")
    allowed = {
        (action, arn)
        for statement in own(dev)["runner"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
        for arn in statement["Resource"]
    }
    handed = [each for each in dev.of("aws:ssm/parameter:Parameter") if each.layer in DEPLOYING["runner"]]
    assert handed
    for parameter in handed:
        arn = f"arn:aws:ssm:us-east-1:123456789012:parameter{parameter.inputs['name']}"
        for action in ("PutParameter", "GetParameter", "DeleteParameter", "AddTagsToResource"):
            assert any(f"ssm:{action}" == it and fnmatch.fnmatchcase(arn, pattern) for it, pattern in allowed), action


def test_the_runner_uses_previews_key_for_what_is_handed_to_them_alone() -> None:
    dev = graph_of("dev")
    key = dev.exports["base.dev"]["previewsKeyArn"]
    parameters = dev.of("aws:ssm/parameter:Parameter")
    assert {(parameter.inputs["type"], parameter.inputs["keyId"]) for parameter in parameters} == {
        ("SecureString", key)
    }
    (statement,) = (row for row in own(dev)["runner"] if key in row["Resource"])
    assert statement["Action"] == ["kms:Decrypt", "kms:Encrypt"]
    assert statement["Resource"] == [key]
    handed = "arn:aws:ssm:us-east-1:123456789012:parameter/rewards/previews/*"
    assert statement["Condition"] == {"StringLike": {"kms:EncryptionContext:PARAMETER_ARN": handed}}
    assert all(parameter.inputs["name"].startswith("/rewards/previews/") for parameter in parameters)


@pytest.mark.parametrize("role", DEPLOYING)
def test_bringing_up_layers_stays_in_their_services_and_their_account(role: str) -> None:
    graph = graph_of("prod")
    stacks = {f"{layer}.prod" for layer in DEPLOYING[role]}
    own_resources = [resource for resource in graph.resources if resource.stack in stacks]
    parts = {resource.token.split(":")[1] for resource in own_resources if resource.token.startswith("aws:")}
    needed = {SERVICES.get(part) or SERVICES.get(part.split("/")[0], part.split("/")[0]) for part in parts}
    shared = {
        "iam",
        "kms",
        "s3",
        "logs",
        "eks",
        "ssm",
    }  # state, a token for the cluster, what was delivered, roles and keys
    services: set[str] = set()
    for statement in own(graph)[role]:
        services |= {action.split(":")[0] for action in statement["Action"]}
        assert not [action for action in statement["Action"] if action.endswith(":*")]
        for arn in statement["Resource"]:
            assert arn == "*" or ":123456789012:" in arn or arn.startswith(NO_ACCOUNT), arn
    assert needed <= services
    assert services - shared - {"ec2", "redshift-serverless", "budgets", "kinesis"} <= needed


@pytest.mark.parametrize("name", DEPLOYING)
def test_layers_hand_their_roles_to_the_services_that_they_trust_and_to_no_other(name: str) -> None:
    for environment in ("dev", "prod"):
        graph = graph_of(environment)
        trusting = {
            json.loads(role.inputs["assumeRolePolicy"])["Statement"][0]["Principal"]["Service"]
            for role in graph.of("aws:iam/role:Role")
            if role.layer in DEPLOYING[name] and not role.inputs.get("name", "").startswith("delivery-")
        }
        statements = own(graph_of("prod"))[name]
        (passing,) = [statement for statement in statements if statement["Action"] == ["iam:PassRole"]]
        assert trusting <= set(passing["Condition"]["StringEquals"]["iam:PassedToService"])


def test_what_brings_up_the_platform_can_not_touch_the_pipelines_own_roles() -> None:
    for environment, name in (("prod", "up-base"), ("prod", "up-data"), ("prod", "runner"), ("dev", "preview-up")):
        denied = next(statement for statement in own(graph_of(environment))[name] if statement["Effect"] == "Deny")
        assert denied["Resource"] == ["arn:aws:iam::123456789012:role/delivery-*"]
        assert {"iam:Put*", "iam:Attach*", "iam:Update*", "iam:Pass*", "iam:Delete*"} <= set(denied["Action"])
    for role in graph_of("prod").of("aws:iam/role:Role"):
        if role.layer == "delivery" or role.name == "runner":
            assert role.inputs["name"].startswith("delivery-")


@pytest.mark.parametrize("name", DEPLOYING)
def test_what_brings_up_the_platform_can_not_unprotect_pulumis_state(name: str) -> None:
    """Each action that would remove protection has a Deny, which in IAM overrides every Allow."""
    statements = own(graph_of("prod"))[name]
    assert statements
    key = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    bucket = "arn:aws:s3:::rewards-prod-state"
    bucket_actions = ("DeleteBucket", "DeleteBucketPolicy", "PutBucketPolicy", "PutBucketPublicAccessBlock")
    bucket_rules = ("PutBucketVersioning", "PutEncryptionConfiguration", "PutLifecycleConfiguration")
    key_actions = ("CreateGrant", "DeleteAlias", "DisableKey", "DisableKeyRotation", "PutKeyPolicy", "UpdateAlias")
    unprotecting = {
        bucket: [f"s3:{action}" for action in (*bucket_actions, *bucket_rules)],
        key: [f"kms:{action}" for action in (*key_actions, "ScheduleKeyDeletion")],
    }
    for resource, actions in unprotecting.items():
        for action in actions:
            effects = {
                statement["Effect"]
                for statement in statements
                if any(fnmatch.fnmatchcase(action, pattern) for pattern in statement["Action"])
                and any(fnmatch.fnmatchcase(resource, pattern) for pattern in statement["Resource"])
            }
            assert effects in ({"Deny"}, {"Allow", "Deny"}), (action, effects)


def test_a_preview_makes_no_role_without_the_boundary() -> None:
    graph = graph_of("dev")
    boundary = graph.exports["base.dev"]["previewBoundaryArn"]
    for name in ("preview-up", "preview-down", "preview-expired"):
        role_actions = {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"}
        making = [
            statement
            for statement in own(graph)[name]
            if statement["Effect"] == "Allow" and role_actions & {*statement["Action"]}
        ]
        assert making
        for statement in making:
            assert statement["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": boundary}}
        allowed = {
            action for statement in own(graph)[name] if statement["Effect"] == "Allow" for action in statement["Action"]
        }
        assert not {"iam:DeleteRolePermissionsBoundary", "iam:UpdateAssumeRolePolicy", "iam:CreatePolicy*"} & allowed


def test_roles_policies_fit_into_what_iam_takes() -> None:
    """IAM allows a role 10,240 characters of inline policies, not counting white space."""
    for environment in ("dev", "prod"):
        policies = own(graph_of(environment))
        assert policies
        for name, statements in policies.items():
            assert len(json.dumps(statements, separators=(",", ":"))) < 10_100, name
