"""Tests that logs contain no text that people typed, because erasing a member doesn't change logs."""

import json
import logging

import pytest
import structlog
from fastapi.testclient import TestClient
from psycopg.errors import CheckViolation

from app import logs
from app.db import Database
from app.ids import new_id
from tests.conftest import Superuser

TYPED = "Petronella"


def test_a_requests_line_has_no_query(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "uvicorn.access"):
        logging.getLogger("uvicorn.access").info(
            '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/products?q=Petronella", "1.1", 200
        )
    assert caplog.messages == ['127.0.0.1:1 - "GET /products HTTP/1.1" 200']


def test_an_error_of_the_database_is_logged_without_the_row(
    db: Database, superuser: Superuser, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("info")
    superuser.execute("ALTER TABLE members ADD CHECK (length(name) < 3)")
    superuser.commit()
    row = "INSERT INTO members (member_id, name, joined_at) VALUES (%s, %s, now())"
    with pytest.raises(CheckViolation, match=TYPED) as refused, db.write() as session:
        session.run(row, (new_id(), TYPED))
    structlog.get_logger().error("unhandled error", exc_info=refused.value)
    line = json.loads(capsys.readouterr().out)
    assert "violates check constraint" in line["exception"]
    assert TYPED not in str(line)
