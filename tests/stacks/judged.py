"""Let moto's IAM decide whether a role's policies allow a request.

moto takes requests to some services as requests for resource `*`; here it gets their real resources. It evaluates a
role's own policies by action and resource, but neither permissions boundaries nor the account's conditions. A boundary
is therefore tested as the only policy of a role, because roles under it can do no more than it allows.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from operator import eq
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.authorization import enable_iam_authentication
from moto.kinesis.responses import KinesisResponse
from moto.kms.responses import KmsResponse
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.sqs.responses import SQSResponse

REGION, ACCOUNT = "us-east-1", "123456789012"


def _asked(response: Any) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(response.body)
    return request


def _secret(response: Any) -> str:
    return str(_asked(response).get("SecretId", "*"))


def _key(response: Any) -> str:
    return str(_asked(response).get("KeyId", "*"))


def _stream(response: Any) -> str:
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{_asked(response)['StreamName']}"


def _queue(response: Any) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{_asked(response).get('QueueUrl', '*').rpartition('/')[2]}"


_RESOURCES: Mapping[type, Callable[[Any], str]] = {
    KinesisResponse: _stream,
    KmsResponse: _key,
    SecretsManagerResponse: _secret,
    SQSResponse: _queue,
}


@contextmanager
def account() -> Iterator[None]:
    """Simulate an empty AWS account while the `with` block runs; callers without a role may do everything in it."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for response, resource in _RESOURCES.items():
            patch.setattr(response, "_determine_resource", lambda self, of=resource: of(self), raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield


@contextmanager
def role(*policies: str) -> Iterator[Callable[[str], Any]]:
    """Yield a function that makes boto3 clients of AWS services, which act as a role with these policies."""
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam = boto3.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    role = iam.create_role(RoleName="tried", AssumeRolePolicyDocument=trust)["Role"]
    for order, policy in enumerate(policies):
        iam.put_role_policy(RoleName="tried", PolicyName=f"policy-{order}", PolicyDocument=policy)
    key = boto3.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="trial")["Credentials"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"], REGION)
    client: Callable[[str], Any] = session.client  # type: ignore[assignment]  # overloaded by service
    with enable_iam_authentication():
        yield client


def refused(call: Callable[..., Any], **request: Any) -> bool:
    """Return whether IAM refuses a request. A request that fails for another reason counts as not refused."""
    try:
        call(**request)
    except ClientError as error:
        return "AccessDenied" in str(error.response["Error"])  # some services put XML into the message
    return False


_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "StringLike": fnmatchcase,
    "ArnLike": fnmatchcase,
    "StringEquals": eq,
}


def holds(conditions: Mapping[str, Mapping[str, Any]], request: Mapping[str, str], *, absent: bool) -> bool:
    """Return whether IAM conditions are met by the condition keys in `request`; a missing key counts as `absent`."""
    for operator, tests in conditions.items():
        for key, value in tests.items():
            values = value if isinstance(value, list) else [value]
            if operator == "Null":
                met = (key not in request) == (value == "true")
            elif key in request:
                met = any(_TESTS[operator](request[key], each) for each in values)
            else:
                met = absent
            if not met:
                return False
    return True
