"""Tests of appending to the ledger: same transaction as the business data, QLDB's limits, no updates or deletes."""

import psycopg
import pytest

from app import ledger
from app.db import Database
from app.errors import BadInput, NotFound
from app.ledger import service
from app.ledger.service import BYTES_A_DOCUMENT, DOCUMENTS_A_TRANSACTION
from tests.conftest import Superuser


def revisions(db: Database) -> int:
    with db.read() as session:
        return int(session.value("SELECT count(*) FROM journal_revisions"))


def test_a_revision_commits_with_the_business_and_not_without_it(db: Database) -> None:
    with pytest.raises(RuntimeError), db.write() as session:
        ledger.append(session, "orders", "a", {"n": 1})
        raise RuntimeError
    assert revisions(db) == 0
    with db.write() as session:
        ledger.append(session, "orders", "a", {"n": 1})
    assert revisions(db) == 1


@pytest.mark.parametrize("data", [{"x": "y" * BYTES_A_DOCUMENT}, {"x": object()}, {"x": {1, 2}}])
def test_a_document_too_large_or_not_json_is_refused_and_nothing_is_written(db: Database, data: object) -> None:
    with pytest.raises(BadInput), db.write() as session:
        ledger.append(session, "orders", "good", {})
        ledger.append(session, "orders", "bad", data)
    assert revisions(db) == 0


def test_a_transaction_journals_forty_documents_and_no_more(db: Database) -> None:
    with db.write() as session:
        for number in range(DOCUMENTS_A_TRANSACTION):
            ledger.append(session, "orders", str(number), {})
    with pytest.raises(BadInput, match="40 documents"), db.write() as session:
        for number in range(DOCUMENTS_A_TRANSACTION + 1):
            ledger.append(session, "orders", str(number), {})
    assert revisions(db) == DOCUMENTS_A_TRANSACTION


def test_many_items_are_packed_into_documents_within_the_limit(db: Database) -> None:
    items = [{"n": n, "text": "é" * 100} for n in range(3_000)]
    with db.write() as session:
        ledger.append_items(session, "feeds", "f", items, vendor="v")
    with db.read() as session:
        sizes = session.rows("SELECT octet_length(data::text), data->'items' FROM journal_revisions ORDER BY 1")
    assert max(size for size, _ in sizes) <= BYTES_A_DOCUMENT
    assert sorted(item["n"] for _, part in sizes for item in part) == list(range(3_000))


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE journal_revisions SET data = '{}'",
        "DELETE FROM journal_revisions",
        "TRUNCATE journal_revisions CASCADE",
        "DELETE FROM journal_blocks",
        "UPDATE journal_revisions SET data = NULL, salt = NULL, data_hash = sha256('x')",
        "UPDATE journal_revisions SET tx_id = 1, data = NULL, salt = NULL, data_hash = sha256(salt || json_send(data))",
    ],
)
def test_the_journal_only_grows(db: Database, superuser: Superuser, attack: str) -> None:
    with db.write() as session:
        ledger.append(session, "orders", "a", {})
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the journal only grows"):
        superuser.execute(attack.encode())


def test_a_document_that_never_was_has_no_history(db: Database) -> None:
    with pytest.raises(NotFound), db.read() as session:
        service.history(session, "orders", "nobody")
