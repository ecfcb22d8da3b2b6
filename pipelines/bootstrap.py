"""Makes the bucket and KMS key in which Pulumi keeps an environment's state: `python -m pipelines.bootstrap prod`.

Runs before the first deployment. It prints which quotas or domain the account lacks and, if it lacks any, stops unless
`--anyway` is given. Then it makes, or finds, a KMS key for secrets and a bucket for state (versioned, encrypted, locked
against deletion), writes both into the stacks' settings, and adds the account to the policies' settings. `--local`
needs no account: state is in a folder, secrets are under a passphrase. Exit code 2: refused, with one line; 1:
something is missing, or AWS failed half way.
"""

import json
import re
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from pipelines import layer_permissions
from pipelines.command import Failed, Refused, command, flags_and_names

CONFIG = Path("stacks") / "config"
POLICIES = Path("policies") / "config"
LOCAL_STATE = Path(".pulumi-state")
PREVIEWS_KEY = "alias/keys-previews"
"""The KMS key of previews' secrets, which dev's base layer makes. Their builds may not use the state's key for them."""

_KEPT_DAYS = 365
_EXAMPLE_DOMAIN = re.compile(r"(^|\.)example(\.|$)")


@dataclass(frozen=True)
class Quota:
    """A service quota of an AWS account, and the least value that an environment needs."""

    service: str
    code: str
    name: str
    least: int


QUOTAS = (
    Quota("lambda", "L-B99A9384", "Lambda's concurrent executions", 200),
    Quota("ec2", "L-0263D0A3", "Elastic IP addresses", 5),
    Quota("ec2", "L-1216C47A", "vCPUs of on-demand standard instances", 64),
)


@dataclass(frozen=True)
class State:
    """The bucket that holds an environment's Pulumi state, and the KMS key that encrypts the state's secrets."""

    bucket: str
    key_arn: str
    region: str

    @property
    def backend(self) -> str:
        return f"s3://{self.bucket}?region={self.region}"

    @property
    def secrets_provider(self) -> str:
        return f"awskms:///{self.key_arn}?region={self.region}"

    @property
    def previews_secrets_provider(self) -> str:
        return f"awskms://{PREVIEWS_KEY}?region={self.region}"


def settings(environment: str, folder: Path = CONFIG) -> dict[str, Any]:
    """Returns an environment's settings of the base layer. Raises Refused if there is no such environment."""
    file = folder / f"Pulumi.base.{environment}.yaml"
    if not file.exists():
        raise Refused(f"{environment} is no environment: {file} does not exist")
    config: dict[str, Any] = yaml.safe_load(file.read_text())["config"]
    return config


def missing(session: boto3.Session, config: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each quota or domain that the first deployment needs and the AWS account lacks."""
    quotas = session.client("service-quotas")
    for quota in QUOTAS:
        value = _quota(quotas, quota)
        if value is None:
            yield f"{quota.name}: the quota can't be read; look whether it is at least {quota.least}"
        elif value < quota.least:
            yield f"{quota.name}: {value:.0f} are allowed, {quota.least} are needed: ask for more in Service Quotas"
    domain = _domain(config)
    if _EXAMPLE_DOMAIN.search(domain):
        yield f"the domain {domain} is nobody's: set rewards:domain in stacks/config to one that you own"


def _domain(config: Mapping[str, Any]) -> str:
    return str(config.get("rewards:domain", "rewards.example"))


def _quota(client: Any, quota: Quota) -> float | None:
    """Returns the account's value of a quota, or AWS's default; None if neither can be read."""
    for read in (client.get_service_quota, client.get_aws_default_service_quota):
        try:
            value: float = read(ServiceCode=quota.service, QuotaCode=quota.code)["Quota"]["Value"]
            return value
        except ClientError:
            continue
    return None


def is_delegated_elsewhere(session: boto3.Session, domain: str) -> bool:
    """Returns whether this account lacks a public hosted zone for the domain or for a parent of it."""
    pages = session.client("route53").get_paginator("list_hosted_zones").paginate()
    zones = [zone for page in pages for zone in page["HostedZones"] if not zone["Config"]["PrivateZone"]]
    return not any(f".{domain}".endswith("." + zone["Name"].rstrip(".")) for zone in zones)


def make(session: boto3.Session, environment: str, region: str) -> State:
    """Makes the KMS key and the bucket for Pulumi's state unless they exist, and always sets the bucket's protection.

    Raises Refused if the bucket is another account's, and Failed if a call of AWS fails half way.
    """
    account = session.client("sts").get_caller_identity()["Account"]
    bucket, s3 = f"rewards-{environment}-state-{account}", session.client("s3")
    is_there = _is_ours(s3, bucket, account)
    try:
        key_arn = _key(session.client("kms"), f"alias/rewards-{environment}-state")
        _bucket(s3, bucket, region, key_arn, is_there)
    except (ClientError, BotoCoreError) as error:
        raise Failed(f"{error}; some of it may be made: call it again") from error
    return State(bucket, key_arn, region)


def _bucket(s3: Any, bucket: str, region: str, key_arn: str, is_there: bool) -> None:
    if not is_there:
        place: dict[str, Any] = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else place))  # which S3 takes for no place
    _protect(s3, bucket, key_arn)


def _key(kms: Any, alias: str) -> str:
    try:
        arn: str = kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"]
    except kms.exceptions.NotFoundException:
        key = kms.create_key(
            Description="Secrets in Pulumi's state", Tags=[{"TagKey": "project", "TagValue": "rewards"}]
        )
        arn = key["KeyMetadata"]["Arn"]
        kms.create_alias(AliasName=alias, TargetKeyId=arn)
    kms.enable_key_rotation(KeyId=arn)
    return arn


def _is_ours(s3: Any, bucket: str, account: str) -> bool:
    """Returns whether this account owns the bucket; False if none exists. Raises Refused if another account owns it."""
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as failed:
        if failed.response["Error"]["Code"] == "404":
            return False
        raise Refused(f"{bucket} belongs to another account") from failed
    return True


def _protect(s3: Any, bucket: str, key_arn: str) -> None:
    arn = f"arn:aws:s3:::{bucket}"
    everybody = {"Effect": "Deny", "Principal": "*"}
    statements = [
        {
            **everybody,
            "Sid": "TlsOnly",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {**everybody, "Sid": "NeverDeleted", "Action": "s3:DeleteBucket", "Resource": arn},
        {**everybody, "Sid": "VersionsStay", "Action": "s3:DeleteObjectVersion", "Resource": f"{arn}/*"},
    ]
    encrypted = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": encrypted, "BucketKeyEnabled": True}]
        },
    )
    blocked = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocked)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    rule = {
        "ID": "old-states",
        "Status": "Enabled",
        "Filter": {},
        "NoncurrentVersionExpiration": {"NoncurrentDays": _KEPT_DAYS},
    }
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})


def write(environment: str, state: State, folder: Path = CONFIG) -> list[Path]:
    """Writes the state's key, bucket and secrets providers into stacks' settings files; returns the files' paths."""
    files = [folder / f"Pulumi.{layer}.{environment}.yaml" for layer in (*layer_permissions.LAYERS, "delivery")]
    providers = dict.fromkeys(files, state.secrets_provider)
    if environment == "dev":
        providers[folder / "preview.yaml"] = state.previews_secrets_provider
    for file, provider in providers.items():
        lines = [line for line in _lines(file) if not line.startswith("secretsprovider:")]
        if file.name.startswith(("Pulumi.base.", "Pulumi.delivery.")):
            lines = _set(lines, {"rewards:stateBucket": state.bucket, "rewards:stateKeyArn": state.key_arn})
        file.write_text("\n".join([f"secretsprovider: {provider}", *lines]) + "\n")
    return [*providers]


def name_account(environment: str, account: str, folder: Path = POLICIES) -> None:
    """Adds the account to the environment's accounts in the policies' settings; policies reject all other accounts."""
    for name in (environment, "preview") if environment == "dev" else (environment,):
        file = folder / f"{name}.json"
        config = json.loads(file.read_text())
        accounts = config.setdefault("account-is-ours", {"enforcementLevel": "mandatory"}).setdefault("accounts", [])
        if account not in accounts:
            accounts.append(account)
            file.write_text(json.dumps(config, indent=2) + "\n")


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _set(lines: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Returns a settings file's lines with the keys in `values` set to their values, and all other lines unchanged."""
    others = [line for line in lines if line.strip().partition(": ")[0] not in values]
    if "config:" not in others:
        others.append("config:")
    at = others.index("config:") + 1
    return [*others[:at], *(f"  {key}: {value}" for key, value in values.items()), *others[at:]]


def local(folder: Path = LOCAL_STATE) -> str:
    """Makes a folder for Pulumi's state and a passphrase for secrets; returns the shell commands that select them."""
    folder.mkdir(mode=0o700, exist_ok=True)
    passphrase = folder / "passphrase"
    if not passphrase.exists():
        passphrase.touch(0o600)
        passphrase.write_text(secrets.token_urlsafe(32))
    return (
        f"export PULUMI_BACKEND_URL=file://{folder.resolve()}\n"
        f"export PULUMI_CONFIG_PASSPHRASE_FILE={passphrase.resolve()}"
    )


@command
def main(arguments: Sequence[str]) -> None:
    usage = "make bootstrap ENV=dev, or make bootstrap ENV=dev FLAGS=--local"
    flags, names = flags_and_names(arguments, {"--local", "--anyway"}, usage)
    if len(names) != 1:
        raise Refused(f"name an environment: {usage}")
    config = settings(names[0])
    if "--local" in flags:
        print("# State stays on this machine alone, its secrets under a passphrase: for trying out, not for a team.")
        print(local())
        return
    region = str(config["aws:region"])
    session = boto3.Session(region_name=region)
    try:
        lacking = list(missing(session, config))
        for line in lacking:
            print(f"missing: {line}", file=sys.stderr)
        if lacking and "--anyway" not in flags:
            raise Failed("nothing was made; mend what is missing, or go on with FLAGS=--anyway")
        domain = _domain(config)
        if is_delegated_elsewhere(session, domain):
            print(f"# After base: who has {domain}'s parent zone delegates to the nameServers that base exports.")
        state = make(session, names[0], region)
    except (ClientError, BotoCoreError) as error:
        raise Refused(str(error)) from error
    files = write(names[0], state)
    name_account(names[0], state.key_arn.split(":")[4])
    print(f"# Wrote the secrets provider into {len(files)} files of {CONFIG}, and the account into {POLICIES}.")
    print("# Commit them. Then:")
    print(f"export PULUMI_BACKEND_URL='{state.backend}'")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
