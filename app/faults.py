"""Decide which errors pass by themselves, so that a worker waits, and which need another process or a person.

The tables below decide. An error that they do not name ends the process, and its supervisor starts another.
"""

from enum import StrEnum

import psycopg
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    MetadataRetrievalError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from psycopg.errors import PipelineAborted
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from app.errors import RewardsError, Unavailable, UnderWay


class Passing(StrEnum):
    """A passing fault that a worker waits out."""

    DATABASE_AWAY = "the database does not answer"
    DATABASE_READ_ONLY = "the database is read-only"
    DATABASE_BUSY = "the database is busy"
    POOL_EMPTY = "no connection to the database is free"
    AWS_AWAY = "AWS does not answer"
    AWS_BUSY = "AWS asks for fewer requests"
    AWS_MISSING = "a stream or bucket is not there"
    AWS_REFUSES = "AWS refuses it"
    PLATFORM_BUSY = "another part of the platform is at it"


# A whole class (two characters) or one state; https://www.postgresql.org/docs/16/errcodes-appendix.html
SQLSTATES = {
    "08": Passing.DATABASE_AWAY,  # connection exceptions
    "25006": Passing.DATABASE_READ_ONLY,  # a writer that became a reader in a failover
    "25P03": Passing.DATABASE_BUSY,  # idle in transaction for too long
    "25P04": Passing.DATABASE_BUSY,  # a transaction that took too long
    "40001": Passing.DATABASE_BUSY,  # serialization failure
    "40P01": Passing.DATABASE_BUSY,  # deadlock
    "53": Passing.DATABASE_BUSY,  # out of connections, memory or disk
    "55P03": Passing.DATABASE_BUSY,  # lock timeout
    "57014": Passing.DATABASE_BUSY,  # statement timeout
    "57P01": Passing.DATABASE_AWAY,  # shut down by an administrator
    "57P02": Passing.DATABASE_AWAY,  # restarting after a crash
    "57P03": Passing.DATABASE_AWAY,  # starting up
    "57P05": Passing.DATABASE_AWAY,  # idle session timeout
}

# Codes of Kinesis, S3, KMS, Secrets Manager and Redshift's Data API, and those that all of AWS shares.
AWS_CODES = {
    **dict.fromkeys(
        (
            "ActiveStatementsExceededException",
            "KMSThrottlingException",
            "LimitExceededException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
        ),
        Passing.AWS_BUSY,
    ),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServiceErrorException",
            "RequestExpired",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ),
        Passing.AWS_AWAY,
    ),
    **dict.fromkeys(
        ("ConditionalRequestConflict", "OperationAborted"),
        Passing.PLATFORM_BUSY,  # two write the same object at once
    ),
    **dict.fromkeys(
        ("NoSuchBucket", "ResourceInUseException", "ResourceNotFoundException"),
        Passing.AWS_MISSING,  # one is being made, or made anew
    ),
}

_KINDS: tuple[tuple[type[BaseException], Passing | None], ...] = (
    # The first that fits decides.
    (PoolClosed, None),
    (PipelineAborted, None),  # follows another error, which is the one that tells
    (PoolTimeout, Passing.POOL_EMPTY),
    (TooManyRequests, Passing.POOL_EMPTY),
    (SSLError, None),  # a certificate that is not the one expected
    (EndpointConnectionError, Passing.AWS_AWAY),
    (ConnectTimeoutError, Passing.AWS_AWAY),
    (ReadTimeoutError, Passing.AWS_AWAY),
    (ConnectionClosedError, Passing.AWS_AWAY),
    (ResponseStreamingError, Passing.AWS_AWAY),
    (HTTPClientError, Passing.AWS_AWAY),
    (AwsConnectionError, Passing.AWS_AWAY),
    (CredentialRetrievalError, Passing.AWS_AWAY),
    (MetadataRetrievalError, Passing.AWS_AWAY),
    (Unavailable, Passing.AWS_AWAY),
    (UnderWay, Passing.PLATFORM_BUSY),
    (RewardsError, None),
)


def passing(error: BaseException) -> Passing | None:
    """Return the fault to wait out; None if waiting won't help."""
    if isinstance(error, ClientError):
        return _of_aws(error)
    for kind, verdict in _KINDS:
        if isinstance(error, kind):
            return verdict
    return _of_the_database(error) if isinstance(error, psycopg.Error) else None


def holding_up_one(error: BaseException) -> Passing | None:
    """Return `passing`, or AWS_REFUSES for other errors of AWS, which must stop only one of several tasks."""
    refused = Passing.AWS_REFUSES if isinstance(error, ClientError | BotoCoreError) else None
    return passing(error) or refused


def _of_the_database(error: psycopg.Error) -> Passing | None:
    if error.sqlstate is not None:
        return SQLSTATES.get(error.sqlstate) or SQLSTATES.get(error.sqlstate[:2])
    # A connection that could not be made, or broke, has no state.
    return Passing.DATABASE_AWAY if isinstance(error, psycopg.OperationalError) else None


def _of_aws(error: ClientError) -> Passing | None:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in AWS_CODES:
        return AWS_CODES[code]
    if status == 429:
        return Passing.AWS_BUSY
    return Passing.AWS_AWAY if status >= 500 else None
