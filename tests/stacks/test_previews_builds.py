"""Tests that a pull request's build may make, read, retag and delete every AWS resource of a preview's stack."""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

import pytest

from pipelines import bootstrap
from tests.stacks import judged
from tests.stacks.graphs import graph_of, preview_on_dev
from tests.stacks.judged import ACCOUNT, REGION

OWN, ROLE_POLICY = "apps.pr-123", "aws:iam/rolePolicy:RolePolicy"
NAMED = "rewards-pr-123-it-1a2b3c4"
FUNCTION = f"function:{NAMED}"
MAPPING = "event-source-mapping:11111111-2222-3333-4444-555555555555"
# By resource: AWS's calls when it is made, then when it is read, changed, retagged and deleted, and on what.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
Calls = Mapping[str, str]
TABLE: dict[str, tuple[str, Calls, Calls]] = {
    "aws:budgets/budget:Budget": (
        "budgets",
        {f"budget/{NAMED}": "ModifyBudget TagResource"},
        {f"budget/{NAMED}": "ViewBudget ListTagsForResource ModifyBudget TagResource UntagResource"},
    ),
    "aws:cloudwatch/dashboard:Dashboard": (
        "cloudwatch",
        {f"dashboard/{NAMED}": "PutDashboard"},
        {f"dashboard/{NAMED}": "GetDashboard PutDashboard DeleteDashboards"},
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        "logs",
        {f"log-group:{NAMED}": "CreateLogGroup TagResource PutRetentionPolicy"},
        {
            "*": "DescribeLogGroups",
            f"log-group:{NAMED}": "ListTagsForResource PutRetentionPolicy TagResource UntagResource DeleteLogGroup",
        },
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        "cloudwatch",
        {f"alarm:{NAMED}": "PutMetricAlarm TagResource"},
        {
            "*": "DescribeAlarms",
            f"alarm:{NAMED}": "ListTagsForResource PutMetricAlarm TagResource UntagResource DeleteAlarms",
        },
    ),
    "aws:cognito/userGroup:UserGroup": (
        "cognito-idp",
        {},
        {"userpool/us-east-1_1": "CreateGroup GetGroup UpdateGroup DeleteGroup"},
    ),
    "aws:cognito/userPool:UserPool": (
        "cognito-idp",
        {"*": "CreateUserPool", "userpool/us-east-1_1": "TagResource"},
        {
            "userpool/us-east-1_1": "DescribeUserPool GetUserPoolMfaConfig SetUserPoolMfaConfig UpdateUserPool "
            "TagResource UntagResource DeleteUserPool"
        },
    ),
    "aws:cognito/userPoolClient:UserPoolClient": (
        "cognito-idp",
        {},
        {
            "userpool/us-east-1_1": "CreateUserPoolClient DescribeUserPoolClient UpdateUserPoolClient "
            "DeleteUserPoolClient"
        },
    ),
    "aws:cognito/userPoolDomain:UserPoolDomain": (
        "cognito-idp",
        {},
        {"*": "DescribeUserPoolDomain", "userpool/us-east-1_1": "CreateUserPoolDomain DeleteUserPoolDomain"},
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": (
        "eks",
        {
            "cluster/rewards-dev": "CreatePodIdentityAssociation",
            "podidentityassociation/rewards-dev/a-1": "TagResource",
        },
        {
            "podidentityassociation/rewards-dev/a-1": "DescribePodIdentityAssociation UpdatePodIdentityAssociation "
            "TagResource UntagResource DeletePodIdentityAssociation"
        },
    ),
    "aws:iam/role:Role": (
        "iam",
        {f"role/{NAMED}": "CreateRole TagRole"},
        {
            f"role/{NAMED}": "GetRole ListRolePolicies ListAttachedRolePolicies ListInstanceProfilesForRole TagRole "
            "UntagRole DeleteRole"
        },
    ),
    "aws:iam/rolePolicy:RolePolicy": (
        "iam",
        {},
        {f"role/{NAMED}": "PutRolePolicy GetRolePolicy DeleteRolePolicy"},
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (
        "iam",
        {},
        {f"role/{NAMED}": "AttachRolePolicy ListAttachedRolePolicies DetachRolePolicy"},
    ),
    "aws:kinesis/stream:Stream": (
        "kinesis",
        {f"stream/{NAMED}": "CreateStream AddTagsToStream"},
        {
            f"stream/{NAMED}": "DescribeStreamSummary ListTagsForResource IncreaseStreamRetentionPeriod "
            "StartStreamEncryption UpdateShardCount AddTagsToStream RemoveTagsFromStream DeleteStream"
        },
    ),
    "aws:lambda/alias:Alias": ("lambda", {}, {FUNCTION: "CreateAlias GetAlias UpdateAlias DeleteAlias"}),
    "aws:lambda/eventSourceMapping:EventSourceMapping": (
        "lambda",
        {"*": "CreateEventSourceMapping", MAPPING: "TagResource"},
        {
            MAPPING: "GetEventSourceMapping ListTags UpdateEventSourceMapping TagResource UntagResource "
            "DeleteEventSourceMapping"
        },
    ),
    "aws:lambda/function:Function": (
        "lambda",
        {FUNCTION: "CreateFunction TagResource"},
        {
            FUNCTION: "GetFunction GetFunctionConfiguration GetFunctionCodeSigningConfig ListVersionsByFunction "
            "ListTags PublishVersion UpdateFunctionCode UpdateFunctionConfiguration PutFunctionConcurrency TagResource "
            "UntagResource DeleteFunction"
        },
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": (
        "lambda",
        {},
        {
            FUNCTION: "PutFunctionEventInvokeConfig GetFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig "
            "DeleteFunctionEventInvokeConfig"
        },
    ),
    "aws:lambda/invocation:Invocation": ("lambda", {}, {"function:rewards-dev-preview-place": "InvokeFunction"}),
    "aws:lb/listenerRule:ListenerRule": (
        "elasticloadbalancing",
        {"listener/app/edge/1/2": "CreateRule", "listener-rule/app/edge/1/2/3": "AddTags"},
        {
            "*": "DescribeRules DescribeTags",
            "listener-rule/app/edge/1/2/3": "ModifyRule SetRulePriorities AddTags RemoveTags DeleteRule",
        },
    ),
    "aws:lb/targetGroup:TargetGroup": (
        "elasticloadbalancing",
        {f"targetgroup/{NAMED}/1": "CreateTargetGroup AddTags"},
        {
            "*": "DescribeTargetGroups DescribeTargetGroupAttributes DescribeTags",
            f"targetgroup/{NAMED}/1": "ModifyTargetGroup ModifyTargetGroupAttributes AddTags RemoveTags "
            "DeleteTargetGroup",
        },
    ),
    "aws:scheduler/schedule:Schedule": (
        "scheduler",
        {},
        {f"schedule/default/{NAMED}": "CreateSchedule GetSchedule UpdateSchedule DeleteSchedule"},
    ),
    "aws:secretsmanager/secret:Secret": (
        "secretsmanager",
        {f"secret:{NAMED}-abcdef": "CreateSecret TagResource"},
        {f"secret:{NAMED}-abcdef": "DescribeSecret GetResourcePolicy TagResource UntagResource DeleteSecret"},
    ),
    "aws:sqs/queue:Queue": (
        "sqs",
        {NAMED: "CreateQueue TagQueue"},
        {NAMED: "GetQueueAttributes ListQueueTags SetQueueAttributes TagQueue UntagQueue DeleteQueue"},
    ),
    "aws:sqs/queuePolicy:QueuePolicy": ("sqs", {}, {NAMED: "GetQueueAttributes SetQueueAttributes"}),
}


def _calls(service: str, calls: Calls) -> Iterator[tuple[str, str]]:
    region = "" if service in {"budgets", "iam"} else REGION
    for resource, actions in calls.items():
        arn = resource if resource == "*" else f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"
        for action in actions.split():
            yield f"{service}:{action}", arn


def _request(action: str, tagged: Mapping[str, str]) -> dict[str, str]:
    """Return the condition keys that AWS sets in requests of this action; policies may rely on no other key."""
    request = dict(tagged)
    if action.endswith("EventSourceMapping"):
        request["lambda:FunctionArn"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:{FUNCTION}"
    if action.startswith("iam:"):
        request["iam:PermissionsBoundary"] = graph_of("dev").exports["base.dev"]["previewBoundaryArn"]
    return request


def _is_allowed(build: str, action: str, arn: str, request: Mapping[str, str]) -> bool:
    effects = {
        statement["Effect"]
        for statement in json.loads(build)["Statement"]
        if any(fnmatchcase(action, pattern) for pattern in statement["Action"])
        if any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        if judged.holds(statement.get("Condition", {}), request, absent=False)
    }
    return effects == {"Allow"}


@pytest.mark.parametrize("name", ["preview-up", "preview-down", "preview-expired"])
def test_a_pull_requests_build_may_do_what_each_of_its_resources_takes(name: str) -> None:
    build = graph_of("dev").named(ROLE_POLICY, name).inputs["policy"]
    refused = set()
    for service, made, kept in TABLE.values():
        for calls, tag in ((made, "RequestTag"), (kept, "ResourceTag")):
            for action, arn in _calls(service, calls):
                if not _is_allowed(build, action, arn, _request(action, {f"aws:{tag}/environment": "pr-123"})):
                    refused.add((action, arn))
    assert not refused


def test_a_pull_requests_build_uses_the_states_key_through_s3_alone_and_previews_own_key_at_will() -> None:
    """The key of dev's Pulumi state also encrypts the secrets in it, so a build must not use the key directly."""
    dev = graph_of("dev")
    build, own = dev.named(ROLE_POLICY, "preview-up").inputs["policy"], dev.exports["base.dev"]["previewsKeyArn"]
    state = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert not _is_allowed(build, action, state, {})
        assert not _is_allowed(build, action, state, {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"})
        assert _is_allowed(build, action, state, {"kms:ViaService": f"s3.{REGION}.amazonaws.com"})
        assert _is_allowed(build, action, own, {})
    assert _is_allowed(build, "kms:Encrypt", own, {})
    assert dev.named("aws:kms/alias:Alias", "keys-previews").inputs["name"] == bootstrap.PREVIEWS_KEY


def test_the_table_has_each_kind_of_resource_of_a_preview() -> None:
    tokens = {resource.token for resource in preview_on_dev().resources if resource.stack == OWN}
    assert {token for token in tokens if token.startswith("aws:")} == set(TABLE)
