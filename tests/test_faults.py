"""Which faults pass: a row for each kind, and for each that must not be waited for."""

import psycopg
import pytest
from botocore import exceptions as aws
from botocore.exceptions import ClientError
from psycopg import errors as postgres
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from app.errors import BadInput, Conflict, Misconfigured, Unavailable
from app.faults import AWS_CODES, Passing, passing


def refused(code: str, status: int = 400) -> ClientError:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutRecords")  # type: ignore[arg-type]  # the rest is not read


PASSING = [
    (psycopg.OperationalError("connection refused"), Passing.DATABASE_AWAY),
    (postgres.ConnectionTimeout("too slow"), Passing.DATABASE_AWAY),
    (postgres.AdminShutdown(), Passing.DATABASE_AWAY),
    (postgres.CrashShutdown(), Passing.DATABASE_AWAY),
    (postgres.CannotConnectNow(), Passing.DATABASE_AWAY),
    (postgres.ConnectionFailure(), Passing.DATABASE_AWAY),
    (postgres.ReadOnlySqlTransaction(), Passing.DATABASE_READ_ONLY),
    (postgres.IdleInTransactionSessionTimeout(), Passing.DATABASE_BUSY),
    (postgres.SerializationFailure(), Passing.DATABASE_BUSY),
    (postgres.DeadlockDetected(), Passing.DATABASE_BUSY),
    (postgres.TooManyConnections(), Passing.DATABASE_BUSY),
    (postgres.DiskFull(), Passing.DATABASE_BUSY),
    (postgres.LockNotAvailable(), Passing.DATABASE_BUSY),
    (postgres.QueryCanceled(), Passing.DATABASE_BUSY),
    (PoolTimeout("none free"), Passing.POOL_EMPTY),
    (TooManyRequests("too many wait"), Passing.POOL_EMPTY),
    (aws.EndpointConnectionError(endpoint_url="http://gone"), Passing.AWS_AWAY),
    (aws.ConnectTimeoutError(endpoint_url="http://slow"), Passing.AWS_AWAY),
    (aws.ReadTimeoutError(endpoint_url="http://slow"), Passing.AWS_AWAY),
    (aws.ConnectionClosedError(endpoint_url="http://gone"), Passing.AWS_AWAY),
    (aws.CredentialRetrievalError(provider="pod", error_msg="away"), Passing.AWS_AWAY),
    *((refused(code), fault) for code, fault in AWS_CODES.items()),
    (refused("Unheard", 429), Passing.AWS_BUSY),
    (refused("Unheard", 503), Passing.AWS_AWAY),
    (Unavailable("the warehouse does not answer"), Passing.AWS_AWAY),
    (Conflict("it is being loaded already"), Passing.PLATFORM_BUSY),
]

LASTING = [
    postgres.InsufficientPrivilege(),
    postgres.UndefinedTable(),
    postgres.UniqueViolation(),
    postgres.DataCorrupted(),
    postgres.InvalidPassword(),
    postgres.PipelineAborted(),
    psycopg.InterfaceError("the cursor is closed"),
    PoolClosed("closed"),
    aws.NoCredentialsError(),
    aws.NoRegionError(),
    aws.ParamValidationError(report="a stream has a name"),
    aws.SSLError(endpoint_url="https://other", error=OSError("certificate verify failed")),
    refused("AccessDeniedException"),
    refused("KMSAccessDeniedException"),
    refused("ValidationException"),
    BadInput("half-written"),
    Misconfigured("no key"),
    AssertionError(),
    KeyError("x"),
    MemoryError(),
    RecursionError(),
    OSError("no space left on device"),
    SystemExit(0),
    KeyboardInterrupt(),
]


def name(case: object) -> str | None:
    error = case[0] if isinstance(case, tuple) else case
    code = error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""
    return f"{type(error).__name__}{code}"


@pytest.mark.parametrize("case", PASSING, ids=name)
def test_what_passes_is_waited_for(case: tuple[Exception, Passing]) -> None:
    assert passing(case[0]) is case[1]


@pytest.mark.parametrize("error", LASTING, ids=name)
def test_what_does_not_pass_ends_the_process(error: BaseException) -> None:
    assert passing(error) is None
