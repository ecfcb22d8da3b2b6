"""Tests of the judge of builds' calls: a role may do only what its policies allow; other callers may do everything."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.engine import judged_roles, providers

ROLE = "urn:pulumi:base.dev::rewards::aws:iam/role:Role::build"
KEY = "urn:pulumi:base.dev::rewards::aws:kms/key:Key::keys-judged"
BUCKET, OTHER = "judged-builds", "judged-others"
FUNCTIONS = "arn:aws:lambda:us-east-1:123456789012:function"


@pytest.fixture
def key(cloud: Callable[[str], Any]) -> str:
    """Create two buckets and a KMS key; return the key's ARN. The role may use the key and read one bucket."""
    arn: str = cloud("kms").create_key()["KeyMetadata"]["Arn"]
    for bucket in (BUCKET, OTHER):
        cloud("s3").create_bucket(Bucket=bucket)
        cloud("s3").put_object(Bucket=bucket, Key="state", Body=b"{}")
    return arn


@pytest.fixture
def judge(key: str, cloud: Callable[[str], Any]) -> Iterator[judged_roles.Judge]:
    statements = [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{BUCKET}/*"]},
        {"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": [key]},
        {"Effect": "Deny", "Action": ["kms:Encrypt"], "Resource": ["*"]},
        {"Effect": "Allow", "Action": ["lambda:GetAlias"], "Resource": [f"{FUNCTIONS}:rewards-dev-*"]},
    ]
    world = providers.World(made={KEY: {}, KEY.replace("key:Key", "alias:Alias"): {"name": "alias/keys-judged"}})
    own = {"Effect": "Allow", "Action": ["kms:GenerateDataKey"], "Resource": [world.outputs(KEY)["arn"]]}
    policy = ROLE.replace("aws:iam/role:Role::", "aws:iam/rolePolicy:RolePolicy::")
    world.made[ROLE] = {"name": "delivery-dev-build"}
    world.made[policy] = {"policy": json.dumps({"Statement": [*statements, own]})}
    with judged_roles.judging(world, cloud) as judge:
        yield judge


@pytest.fixture
def as_role(judge: judged_roles.Judge, cloud_address: str) -> Callable[[str], Any]:
    """Return a function that returns a boto3 client of a service, with the role's credentials."""
    keys = {name.lower(): value for name, value in judge.assume("delivery-dev-build").items()}
    return lambda service: boto3.client(
        service,  # type: ignore[call-overload]  # named at run time
        endpoint_url=cloud_address,
        region_name="us-east-1",
        **keys,
    )


def test_what_the_policies_allow_is_done(as_role: Callable[[str], Any], judge: judged_roles.Judge) -> None:
    assert as_role("s3").get_object(Bucket=BUCKET, Key="state")["Body"].read() == b"{}"
    assert as_role("sts").get_caller_identity()
    assert not judge.refused


def test_what_they_do_not_allow_is_refused(
    as_role: Callable[[str], Any], judge: judged_roles.Judge, key: str, cloud: Callable[[str], Any]
) -> None:
    """Four calls are refused: for another bucket, another action, a denial of the allowed key, and a key not named."""
    others = cloud("kms").create_key()["KeyMetadata"]["Arn"]
    ciphertext = cloud("kms").encrypt(KeyId=others, Plaintext=b"secret")["CiphertextBlob"]
    for service, action, request in (
        ("s3", "get_object", {"Bucket": OTHER, "Key": "state"}),
        ("s3", "put_object", {"Bucket": BUCKET, "Key": "state", "Body": b""}),
        ("kms", "encrypt", {"KeyId": key, "Plaintext": b"secret"}),
        ("kms", "decrypt", {"CiphertextBlob": ciphertext}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(as_role(service), action)(**request)
    assert judge.refused == [
        f"s3:GetObject on arn:aws:s3:::{OTHER}/state",
        f"s3:PutObject on arn:aws:s3:::{BUCKET}/state",
        f"kms:Encrypt on {key}",
        f"kms:Decrypt on {others}",
    ]


def test_a_key_of_the_stand_ins_is_known_by_its_alias(
    as_role: Callable[[str], Any], judge: judged_roles.Judge, key: str, cloud: Callable[[str], Any]
) -> None:
    cloud("kms").create_alias(AliasName="alias/keys-judged", TargetKeyId=key)
    as_role("kms").generate_data_key(KeyId="alias/keys-judged", KeySpec="AES_256")
    with pytest.raises(ClientError, match="AccessDenied"):
        as_role("kms").encrypt(KeyId="alias/keys-judged", Plaintext=b"secret")
    arn = judge.world.outputs(KEY)["arn"]
    assert (judge.allowed, judge.refused) == ([f"kms:GenerateDataKey on {arn}"], [f"kms:Encrypt on {arn}"])


def test_a_function_is_known_by_its_name(as_role: Callable[[str], Any], judge: judged_roles.Judge) -> None:
    lambdas = as_role("lambda")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        lambdas.get_alias(FunctionName="rewards-dev-vendor-feed", Name="live")
    with pytest.raises(ClientError, match="AccessDenied"):
        lambdas.get_alias(FunctionName="rewards-prod-vendor-feed", Name="live")
    assert judge.allowed == [f"lambda:GetAlias on {FUNCTIONS}:rewards-dev-vendor-feed"]
    assert judge.refused == [f"lambda:GetAlias on {FUNCTIONS}:rewards-prod-vendor-feed"]


def test_a_role_that_does_not_exist_can_not_be_assumed(judge: judged_roles.Judge) -> None:
    with pytest.raises(AssertionError, match="there is no role delivery-dev-rollout"):
        judge.assume("delivery-dev-rollout")


def test_others_are_not_judged(judge: judged_roles.Judge, cloud: Callable[[str], Any]) -> None:
    assert cloud("s3").list_objects_v2(Bucket=OTHER)["KeyCount"] == 1
    assert not judge.refused
