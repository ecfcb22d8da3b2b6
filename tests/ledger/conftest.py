"""What the ledger's tests share: appending, sealing, and logins that may do what a role may."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

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
