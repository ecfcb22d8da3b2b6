"""Tests of which errors are transient faults, with an example of each kind, and which are not."""

import psycopg
import pytest
from botocore import exceptions as aws
from botocore.exceptions import ClientError
from psycopg import errors as postgres
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from app.db import Database
from app.errors import BadInput, Conflict, JustAnswered, Misconfigured, NotSealed, OutOfStock, Unavailable, UnderWay
from app.faults import AWS_CODES, Passing, holding_up_one, passing


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
    (refused("ConditionalRequestConflict", 409), Passing.PLATFORM_BUSY),
    (refused("OperationAborted", 409), Passing.PLATFORM_BUSY),
    (refused("Unheard", 429), Passing.AWS_BUSY),
    (refused("Unheard", 503), Passing.AWS_AWAY),
    (Unavailable("the warehouse does not answer"), Passing.AWS_AWAY),
    (UnderWay("it is being loaded already"), Passing.PLATFORM_BUSY),
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
    Conflict("there is such a thing already"),
    OutOfStock("there is not that much left"),
    JustAnswered("the same request was just answered"),
    NotSealed("not sealed yet"),
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


def test_a_duplicate_is_no_other_part_that_is_at_it(db: Database) -> None:
    with pytest.raises(Conflict) as refusal, db.write() as session:
        session.run("INSERT INTO journal_streams (name, kinesis) VALUES ('twice', 'a'), ('twice', 'b')")
    assert passing(refusal.value) is None


def test_what_aws_refuses_one_of_several_is_waited_for_and_nothing_else_that_lasts() -> None:
    of_aws = [error for error in LASTING if isinstance(error, ClientError | aws.BotoCoreError)]
    assert {holding_up_one(error) for error in of_aws} == {Passing.AWS_REFUSES}
    assert {holding_up_one(error) for error in LASTING if error not in of_aws} == {None}
    assert all(holding_up_one(error) is fault for error, fault in PASSING)
