"""Tests of bootstrapping an account before its first deployment, on moto: state, key, settings, missing quotas."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from pipelines import bootstrap
from stacks.settings import Layer

ENOUGH = {quota.code: quota.least for quota in bootstrap.QUOTAS}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the stacks' settings, with its root as the current directory."""
    copy = tmp_path / "stacks" / "config"
    shutil.copytree(Path("stacks") / "config", copy)
    shutil.copytree(Path("policies") / "config", tmp_path / "policies" / "config")
    monkeypatch.chdir(tmp_path)
    return copy


@pytest.fixture
def session(in_the_cloud: None) -> boto3.Session:
    return boto3.Session(region_name="us-east-1")


def lacking(values: Mapping[str, float], domain: str = "rewards.shop.com") -> list[str]:
    """Return the sentences that bootstrapping prints about an account with these quotas."""

    def quota(ServiceCode: str, QuotaCode: str) -> dict[str, Any]:  # noqa: N803  boto3's names
        return {"Quota": {"Value": values[QuotaCode]}}

    clients = {"service-quotas": Mock(get_service_quota=quota)}
    return list(bootstrap.missing(Mock(client=clients.__getitem__), {"rewards:domain": domain}))


def test_an_account_that_has_everything_lacks_nothing() -> None:
    assert lacking(ENOUGH) == []


@pytest.mark.parametrize("quota", bootstrap.QUOTAS, ids=lambda quota: quota.code)
def test_a_quota_below_what_an_environment_needs_is_missing(quota: bootstrap.Quota) -> None:
    (line,) = lacking({**ENOUGH, quota.code: quota.least - 1})
    assert quota.name in line
    assert str(quota.least) in line


@pytest.mark.parametrize("domain", ["rewards.example", "dev.rewards.example.com"])
def test_a_domain_that_nobody_can_own_is_missing(domain: str) -> None:
    (line,) = lacking(ENOUGH, domain)
    assert "is nobody's" in line


@pytest.mark.parametrize(
    ("public", "private", "elsewhere"),
    [
        (["shop.com."], [], False),
        (["rewards.shop.com."], [], False),
        ([*(f"z{number}.org." for number in range(120)), "shop.com."], [], False),
        ([], [], True),
        ([], ["shop.com."], True),
        (["op.com.", "other.shop.com."], [], True),
    ],
)
def test_the_domains_parent_zone_may_be_elsewhere(
    session: boto3.Session, public: list[str], private: list[str], elsewhere: bool
) -> None:
    client = session.client("route53")
    zones = [(name, False) for name in public] + [(name, True) for name in private]
    ids = [
        client.create_hosted_zone(Name=name, CallerReference=name, HostedZoneConfig={"PrivateZone": is_private})[
            "HostedZone"
        ]["Id"]
        for name, is_private in zones
    ]
    try:
        assert bootstrap.is_delegated_elsewhere(session, "rewards.shop.com") == elsewhere
    finally:
        for id_ in ids:
            client.delete_hosted_zone(Id=id_)


def test_a_domain_that_another_account_delegates_is_told_and_stops_nothing(
    session: boto3.Session, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "missing", lambda _session, _config: [])
    assert bootstrap.main(["staging"]) == 0
    assert "delegates to the nameServers" in capsys.readouterr().out


def test_what_aws_refuses_half_way_is_no_refusal(
    session: boto3.Session, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing = Mock(create_bucket=Mock(side_effect=ClientError({"Error": {"Code": "TooManyBuckets"}}, "CreateBucket")))
    refusing.head_bucket.side_effect = ClientError({"Error": {"Code": "404"}}, "HeadBucket")
    monkeypatch.setattr(boto3.Session, "client", _with(s3=refusing))
    assert bootstrap.main(["staging", "--anyway"]) == 1
    assert "some of it may be made" in capsys.readouterr().err


def test_nothing_is_made_while_something_is_missing(
    session: boto3.Session, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_text() for file in folder.iterdir()}
    buckets = session.client("s3").list_buckets()["Buckets"]
    assert bootstrap.main(["staging"]) == 1
    assert "missing: the domain" in capsys.readouterr().err
    assert {file.name: file.read_text() for file in folder.iterdir()} == before
    assert session.client("s3").list_buckets()["Buckets"] == buckets


def test_state_is_versioned_encrypted_tls_only_and_never_deleted(session: boto3.Session, folder: Path) -> None:
    assert bootstrap.main(["dev", "--anyway"]) == 0
    bucket, s3 = "rewards-dev-state-123456789012", session.client("s3")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert session.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    denied = {
        statement["Sid"]: statement["Action"]
        for statement in json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        if statement["Effect"] == "Deny" and statement["Principal"] == "*"
    }
    assert denied == {"TlsOnly": "s3:*", "NeverDeleted": "s3:DeleteBucket", "VersionsStay": "s3:DeleteObjectVersion"}
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())


def test_each_stack_of_the_environment_gets_the_secrets_provider_and_keeps_its_settings(
    session: boto3.Session, folder: Path
) -> None:
    def read(file: Path) -> dict[str, Any]:
        return yaml.safe_load(file.read_text()) if file.exists() else {}

    mine = [folder / f"Pulumi.{layer}.dev.yaml" for layer in Layer] + [folder / "preview.yaml"]
    before = {file: read(file) for file in folder.iterdir()}
    assert bootstrap.main(["dev", "--anyway"]) == 0
    first = {file: file.read_text() for file in folder.iterdir()}
    for file in mine:
        after = read(file)
        key = "/arn:aws:kms:us-east-1:123456789012:key/" if file.name != "preview.yaml" else bootstrap.PREVIEWS_KEY
        assert after.pop("secretsprovider").startswith(f"awskms://{key}")
        config = dict(after.get("config", {}))
        if file.name in {"Pulumi.base.dev.yaml", "Pulumi.delivery.dev.yaml"}:
            assert config.pop("rewards:stateBucket") == "rewards-dev-state-123456789012"
            assert config.pop("rewards:stateKeyArn").startswith("arn:aws:kms:")
        assert config == before.get(file, {}).get("config", {})
    assert {file: read(file) for file in before if file not in mine} == {
        file: content for file, content in before.items() if file not in mine
    }
    assert bootstrap.main(["dev", "--anyway"]) == 0  # finds what it made, and changes nothing
    assert {file: file.read_text() for file in folder.iterdir()} == first


@pytest.mark.parametrize(("environment", "names"), [("dev", {"dev", "preview"}), ("prod", {"prod"})])
def test_the_account_is_named_to_the_policies_once_and_no_other_setting_of_theirs_changes(
    session: boto3.Session, folder: Path, environment: str, names: set[str]
) -> None:
    def levels() -> dict[str, dict[str, Any]]:
        return {file.stem: json.loads(file.read_text()) for file in (Path("policies") / "config").iterdir()}

    before = levels()
    for _ in range(2):
        assert bootstrap.main([environment, "--anyway"]) == 0
        after = levels()
        accounts = {name: level.get("account-is-ours", {}).get("accounts", []) for name, level in after.items()}
        assert {name for name in accounts if accounts[name].count("123456789012") == 1} == names
        for level in (*after.values(), *before.values()):
            level.pop("account-is-ours", None)
        assert after == before


def test_a_bucket_of_another_account_is_refused(
    session: boto3.Session, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    denied = Mock(head_bucket=Mock(side_effect=ClientError({"Error": {"Code": "403"}}, "HeadBucket")))
    monkeypatch.setattr(boto3.Session, "client", _with(s3=denied))
    assert bootstrap.main(["dev", "--anyway"]) == 2
    assert "belongs to another account" in capsys.readouterr().err


def _with(**replaced: Any) -> Callable[..., Any]:
    client = boto3.Session.client

    def clients(self: boto3.Session, name: str, **options: Any) -> Any:
        return replaced.get(name) or client(self, name, **options)  # type: ignore[call-overload]  # named at run time

    return clients


def test_without_an_account_state_is_a_folder_and_the_passphrase_is_nobody_elses(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bootstrap.main(["dev", "--local"]) == 0
    passphrase = bootstrap.LOCAL_STATE / "passphrase"
    assert passphrase.stat().st_mode & 0o777 == 0o600
    kept = passphrase.read_text()
    assert len(kept) >= 32
    output = capsys.readouterr().out
    assert "on this machine alone" in output
    assert f"PULUMI_BACKEND_URL=file://{bootstrap.LOCAL_STATE.resolve()}" in output
    assert kept not in output
    bootstrap.main(["dev", "--local"])
    assert passphrase.read_text() == kept


@pytest.mark.parametrize("arguments", [[], ["mars"], ["dev", "prod"]])
def test_what_is_no_environment_is_refused(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bootstrap.main(arguments) == 2
    assert capsys.readouterr().err.startswith("rewards: ")
