"""Tests that database rights, not only triggers, limit what each role may do to the ledger's tables."""

import psycopg
import pytest

from app import ledger, logins
from app.clock import SystemClock
from app.db import Database, WriteSession
from app.errors import BadInput, NotFound
from app.ledger import sealer, service
from tests.conftest import Login
from tests.ledger.conftest import Append

REFUSED = [
    "UPDATE journal_revisions SET data = '{}'",
    "DELETE FROM journal_revisions",
    "TRUNCATE journal_revisions",
    "DELETE FROM journal_blocks",
    "UPDATE journal_blocks SET root = ''",
    "TRUNCATE journal_blocks",
    "UPDATE journal_ledger SET ledger_id = gen_random_uuid()",
    "UPDATE journal_epochs SET base = 7",
    "INSERT INTO journal_revisions (tx_id, table_name, document_id, salt, data) VALUES (1, 'a', 'b', '', '{}')",
    "INSERT INTO journal_revisions (tx_time, table_name, document_id, salt, data) VALUES (now(), 'a', 'b', '', '{}')",
    "SELECT journal_redact('orders', 'a', 'me', 'why')",
    "SELECT journal_open_epoch()",
    "ALTER TABLE journal_revisions DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "SET ROLE rewards_owner",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_the_application_may_append_and_read_and_nothing_else(login: Login, append: Append, statement: str) -> None:
    append("a")
    with psycopg.connect(login(logins.SERVICES)) as connection:
        ledger.append(WriteSession(connection), "orders", "b", {})
        connection.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            connection.execute(statement)
        assert "the journal only grows" not in str(refused.value)  # the trigger did not even run


def test_the_application_may_not_write_blocks_and_the_sealer_only_those(login: Login, append: Append) -> None:
    append("a")
    with psycopg.connect(login(logins.SERVICES)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        sealer.seal(WriteSession(connection), SystemClock())
    with psycopg.connect(login(logins.SEALING)) as connection:
        assert sealer.seal(WriteSession(connection), SystemClock()) == 1
        connection.commit()
        for statement in [
            *(refused for refused in REFUSED if "open_epoch" not in refused),
            "INSERT INTO journal_revisions (table_name, document_id, salt, data) VALUES ('a', 'b', '', '{}')",
            "SELECT * FROM members",
        ]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()


def test_only_the_redactor_erases_and_says_who_and_why(db: Database, login: Login, append: Append) -> None:
    append("a")
    with psycopg.connect(login(logins.ERASING)) as connection:
        session = WriteSession(connection)
        with pytest.raises(BadInput, match="who asks"):
            service.redact(session, "orders", "a", "ana", " ")
        with pytest.raises(NotFound, match="nothing to erase"):
            service.redact(session, "orders", "nobody", "ana", "art. 17")
        assert service.redact(session, "orders", "a", "ana", "art. 17") == 1
        with pytest.raises(BadInput, match="stay"):
            service.redact(session, "redactions", "orders/a", "ana", "to hide it")
        connection.commit()
    with db.read() as reader:
        (record,) = service.history(reader, "redactions", "orders/a")
    assert record.data == {"by": "ana", "login": logins.ERASING, "reason": "art. 17", "revisions": 1}
