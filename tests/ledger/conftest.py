"""What the ledger's tests share: appending, sealing, and logins that may do what a role may."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from app import ledger
from app.clock import SystemClock
from app.db import Database
from app.ledger import sealer
from app.local import postgres

Append = Callable[..., None]


@pytest.fixture
def append(db: Database) -> Append:
    """Appends documents to `orders` in one transaction."""

    def appended(*documents: str) -> None:
        with db.write() as session:
            for document in documents:
                ledger.append(session, "orders", document, {"of": document, 'é"\\': 1.5e-7})

    return appended


@pytest.fixture
def seal(db: Database) -> Callable[[], int]:
    def sealed() -> int:
        with db.write() as session:
            return sealer.seal(session, SystemClock())

    return sealed


@pytest.fixture
def login(server: postgres.Server, database_url: str) -> Callable[[str], str]:
    """The address of a login that has one of the schema's roles."""
    return lambda role: server.postgres.login(role, urlsplit(database_url).path.lstrip("/"))


@pytest.fixture(scope="session")
def cloud() -> Iterator[Callable[[str], Any]]:
    """Makes clients of a Kinesis, S3 and KMS of this run's own."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made: list[Any] = []

    def client(service: str) -> Any:
        made.append(
            boto3.client(
                service,  # type: ignore[call-overload]  # named at run time
                endpoint_url=f"http://{host}:{port}",
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",  # noqa: S106  moto takes any
            )
        )
        return made[-1]

    yield client
    for one in made:
        one.close()
    server.stop()
