"""Publishes the zip as a new version of each Lambda function of an environment: `python -m pipelines.publish staging`.

Writes the versions to build/versions.env, one line for each function, for the canaries of the next stage, which shift
each function's alias `live`. If SIGNING_PROFILE names a profile, AWS Signer signs the zip first, by way of the bucket
SIGNING_BUCKET; functions, except those of previews, take no unsigned zip from the first update of `apps` after their
first delivery. `--live` shifts the aliases at once, for previews. `--record` publishes nothing: after the canaries, it
writes to Parameter Store which versions the aliases point at, provided that these are the versions in versions.env.
Exit code 2: wrong arguments, or AWS failed; 1: an alias does not point at the published version.
"""

import base64
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cloud.function import ALIAS
from pipelines import delivered
from pipelines.build_permissions import SIGNED
from pipelines.command import Failed, Refused, command, flags_and_names
from pipelines.target import version_variable

VERSIONS = Path("build") / "versions.env"


def zip_of(folder: Path) -> Path:
    """Returns the path of the zip for arm64, the functions' architecture. Raises Refused unless there is one only."""
    match sorted(folder.glob("functions-*-arm64.zip")):
        case [file]:
            return file
        case []:
            raise Refused(f"{folder} has no zip for arm64: make package")
        case several:
            named = ", ".join(file.name for file in several)
            raise Refused(f"{folder} has {len(several)} zips ({named}): which commit's is meant?")


def functions(client: Any, environment: str) -> Iterator[str]:
    """Yields the names of an environment's Lambda functions, which begin with the environment's prefix."""
    for page in client.get_paginator("list_functions").paginate():
        yield from (
            function["FunctionName"]
            for function in page["Functions"]
            if function["FunctionName"].startswith(_prefix(environment))
        )


def _prefix(environment: str) -> str:
    return f"rewards-{environment}-"


def publish(client: Any, function: str, code: bytes) -> str:
    """Uploads code to a Lambda function and publishes it; returns the version. Fails if another upload intervenes."""
    client.update_function_code(FunctionName=function, ZipFile=code)
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    digest = base64.b64encode(hashlib.sha256(code).digest()).decode()
    version: str = client.publish_version(FunctionName=function, CodeSha256=digest)["Version"]
    return version


def signed(s3: Any, signer: Any, code: bytes, profile: str, bucket: str) -> bytes:
    """Has AWS Signer sign a zip with `profile`, by way of the versioned bucket `bucket`, and returns the signed zip."""
    key = f"{SIGNED}/unsigned.zip"
    version = s3.put_object(Bucket=bucket, Key=key, Body=code)["VersionId"]
    job = signer.start_signing_job(
        source={"s3": {"bucketName": bucket, "key": key, "version": version}},
        destination={"s3": {"bucketName": bucket, "prefix": f"{SIGNED}/signed-"}},
        profileName=profile,
    )["jobId"]
    signer.get_waiter("successful_signing_job").wait(jobId=job, WaiterConfig={"Delay": 5, "MaxAttempts": 60})
    place = signer.describe_signing_job(jobId=job)["signedObject"]["s3"]
    content: bytes = s3.get_object(Bucket=place["bucketName"], Key=place["key"])["Body"].read()
    return content


def record(lambdas: Any, parameters: Any, environment: str, published: Mapping[str, str]) -> dict[str, str]:
    """Writes to Parameter Store which version each function's alias `live` points at; returns the versions by function.

    `published` maps each function's `version_variable` to the version published. Raises Failed, and writes nothing, if
    an alias points at another version.
    """
    names = sorted(functions(lambdas, environment))
    versions = {
        name.removeprefix(_prefix(environment)): lambdas.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
        for name in names
    }
    others = [
        f"{name}: version {version} is live, {wanted} was published"
        for name, version in versions.items()
        if (wanted := published.get(version_variable(name), version)) != version
    ]
    if others:
        raise Failed("; ".join(others))
    folder = f"{delivered.folder(delivered.namespace_of(environment))}/{delivered.FUNCTIONS}"
    for name, version in versions.items():
        parameters.put_parameter(Name=f"{folder}/{name}", Value=version, Type="String", Overwrite=True)
    return versions


@command
def main(
    arguments: Sequence[str], client: Any = None, parameters: Any = None, s3: Any = None, signer: Any = None
) -> None:
    usage = "make publish ENV=dev, or make publish ENV=dev FLAGS=--live"
    flags, names = flags_and_names(arguments, {"--live", "--record"}, usage)
    if len(names) != 1:
        raise Refused(f"name an environment: {usage}")
    live = "--live" in flags
    try:
        if "--record" in flags:
            clients = client or boto3.client("lambda"), parameters or boto3.client("ssm")
            recorded = record(*clients, names[0], os.environ)
            print("\n".join(f"{name}: version {version} is live" for name, version in recorded.items()))
            return
        code = zip_of(Path("build") / "lambda").read_bytes()
        profile, bucket = os.environ.get("SIGNING_PROFILE"), os.environ.get("SIGNING_BUCKET")
        if bool(profile) != bool(bucket):
            raise Refused("name both SIGNING_PROFILE and SIGNING_BUCKET, or neither")
        if profile and bucket:
            clients = s3 or boto3.client("s3"), signer or boto3.client("signer")
            code = signed(*clients, code, profile, bucket)
        client = client or boto3.client("lambda")
        versions = {name: publish(client, name, code) for name in sorted(functions(client, names[0]))}
        if not versions:
            raise Refused(f"{names[0]} has no functions; bring up its apps layer first")
        for name, version in versions.items() if live else ():
            client.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)
    except (ClientError, BotoCoreError) as error:
        raise Refused(str(error)) from error
    short = {name.removeprefix(_prefix(names[0])): version for name, version in versions.items()}
    VERSIONS.write_text("".join(f"{version_variable(name)}={version}\n" for name, version in short.items()))
    print("\n".join(f"{name}: version {version}{', live' if live else ''}" for name, version in short.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
