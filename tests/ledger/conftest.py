"""Fixtures of the ledger's tests."""

from collections.abc import Callable

import pytest

from app import ledger
from app.db import Database

Append = Callable[..., None]


@pytest.fixture
def append(db: Database) -> Append:
    """Return a function that appends documents to the ledger's table `orders` in one transaction."""

    def appended(*documents: str) -> None:
        with db.write() as session:
            for document in documents:
                ledger.append(session, "orders", document, {"of": document, 'é"\\': 1.5e-7})

    return appended
