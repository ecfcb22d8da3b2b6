"""Distinguish transient faults, which a worker waits out, from all other errors, which end the worker's process.

The supervisor restarts a process that ended.
"""

from enum import StrEnum

import psycopg
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    SSLError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from psycopg.errors import PipelineAborted
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from app.errors import RewardsError, Unavailable, UnderWay


class Passing(StrEnum):
    """A transient fault: it ends by itself, so a worker waits and tries again."""

    DATABASE_AWAY = "the database does not answer"
    DATABASE_READ_ONLY = "the database is read-only"
    DATABASE_BUSY = "the database is busy"
    POOL_EMPTY = "no connection to the database is free"
    AWS_AWAY = "AWS does not answer"
    AWS_BUSY = "AWS asks for fewer requests"
    AWS_MISSING = "a stream or bucket is not there"
    AWS_REFUSES = "AWS refuses it"
    PLATFORM_BUSY = "another part of the platform is at it"


# Keys are a class of SQLSTATEs (its two characters) or one SQLSTATE; https://www.postgresql.org/docs/16/errcodes-appendix.html
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
_AWS_CODES = {
    Passing.AWS_BUSY: """ActiveStatementsExceededException KMSThrottlingException LimitExceededException
        ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException SlowDown
        Throttling ThrottlingException ThrottledException TooManyRequestsException""",
    Passing.AWS_AWAY: """ExpiredToken ExpiredTokenException InternalError InternalFailure InternalServerError
        InternalServiceErrorException RequestExpired RequestTimeout RequestTimeoutException ServiceUnavailable
        ServiceUnavailableException""",
    # Two processes write the same object at once.
    Passing.PLATFORM_BUSY: "ConditionalRequestConflict OperationAborted",
    # The stream or bucket is being created, perhaps anew.
    Passing.AWS_MISSING: "NoSuchBucket ResourceInUseException ResourceNotFoundException",
}
AWS_CODES = {code: fault for fault, codes in _AWS_CODES.items() for code in codes.split()}

# The first row with the error's class decides; None means that waiting won't help.
_KINDS: tuple[tuple[tuple[type[BaseException], ...], Passing | None], ...] = (
    ((PoolClosed, PipelineAborted), None),  # PipelineAborted follows another error, which has the cause
    ((PoolTimeout, TooManyRequests), Passing.POOL_EMPTY),
    ((SSLError,), None),  # the server's certificate is not the expected one
    ((AwsConnectionError, HTTPClientError), Passing.AWS_AWAY),
    ((CredentialRetrievalError, MetadataRetrievalError, Unavailable), Passing.AWS_AWAY),
    ((UnderWay,), Passing.PLATFORM_BUSY),
    ((RewardsError,), None),
)


def passing(error: BaseException) -> Passing | None:
    """Return the transient fault that causes an error, or None if waiting won't help."""
    if isinstance(error, ClientError):
        return _of_aws(error)
    for kinds, verdict in _KINDS:
        if isinstance(error, kinds):
            return verdict
    return _of_the_database(error) if isinstance(error, psycopg.Error) else None


def holding_up_one(error: BaseException) -> Passing | None:
    """Return the fault if an error (transient, or from AWS) stops one task only; None if it must end the process."""
    return passing(error) or (Passing.AWS_REFUSES if isinstance(error, ClientError | BotoCoreError) else None)


def _of_the_database(error: psycopg.Error) -> Passing | None:
    if error.sqlstate is not None:
        return SQLSTATES.get(error.sqlstate) or SQLSTATES.get(error.sqlstate[:2])
    # A connection that could not be made, or broke, has no SQLSTATE.
    return Passing.DATABASE_AWAY if isinstance(error, psycopg.OperationalError) else None


def _of_aws(error: ClientError) -> Passing | None:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in AWS_CODES:
        return AWS_CODES[code]
    if status == 429:
        return Passing.AWS_BUSY
    return Passing.AWS_AWAY if status >= 500 else None
