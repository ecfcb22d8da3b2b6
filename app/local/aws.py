"""Check moto, which stands in for AWS on one machine, and create the platform's Kinesis stream and S3 bucket in it.

moto keeps everything in memory, so the stream and bucket are created again whenever moto starts.
"""

import http.client
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# Two, so that a laptop too shows a bug in the order of shards.
SHARDS = 2

_THERE = {"ResourceInUseException", "BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 3})


def answers(endpoint: str, path: str = "/moto-api/") -> bool:
    """Return true if an HTTP GET of the path at the endpoint answers 200."""
    address = urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def restore(environment: Mapping[str, str]) -> None:
    """Create the platform's Kinesis stream and S3 bucket, named by the environment, if they are missing."""
    kinesis, s3 = _client("kinesis", environment), _client("s3", environment)
    stream, bucket = environment["REWARDS_STREAM_NAME"], environment["REWARDS_ARCHIVE_BUCKET"]
    _unless_there(kinesis.create_stream, StreamName=stream, ShardCount=SHARDS)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    # Digests are anchored under Object Lock, which is enabled only when a bucket is created.
    _unless_there(
        s3.create_bucket, Bucket=bucket, ObjectLockEnabledForBucket=True, **_location(environment["AWS_DEFAULT_REGION"])
    )


def missing(environment: Mapping[str, str]) -> str | None:
    """Return why the Kinesis stream or the S3 bucket can't be used; None if both exist."""
    stream, bucket = environment["REWARDS_STREAM_NAME"], environment["REWARDS_ARCHIVE_BUCKET"]
    try:
        _client("kinesis", environment).describe_stream_summary(StreamName=stream)
        _client("s3", environment).head_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as refused:
        return str(refused)
    return None


def _client(service: str, environment: Mapping[str, str]) -> Any:
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
    return _connected(service, *(environment[name] for name in names))


@cache  # creating a client reads megabytes of service descriptions
def _connected(service: str, endpoint: str, key_id: str, secret: str, region: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        region_name=region,
        config=_CONFIG,
    )


def _location(region: str) -> dict[str, Any]:
    # S3 takes no constraint for its first region.
    return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}


def _unless_there(create: Any, **arguments: Any) -> None:
    try:
        create(**arguments)
    except ClientError as refused:
        if refused.response["Error"]["Code"] not in _THERE:
            raise
