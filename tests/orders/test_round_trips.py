"""Tests of the number of times that an order waits for the database.

Each wait costs a thread switch in the client and a process switch in the server, more than the statements themselves.
"""

import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest

from app.clock import Clock
from app.db import Database
from app.errors import OutOfStock
from app.idempotency import Once
from app.orders import placing
from app.orders.models import LineDraft, OrderDraft
from app.orders.routes import OrderOut
from app.settings import Settings
from tests.shop import Shop

CLAIM, GATHER, END = 1, 1, 2
"""The key; then stock, subscriptions and what is due in the wallet; then all that is written goes out with COMMIT, and
psycopg may ask once more at the end of a pipeline, where not all answers have arrived: the counts are the most."""

_NO_START = {80877103, 80877104}
"""Questions before the start of a connection: whether the server takes TLS, or GSSAPI."""


class Relay:
    """A proxy between one client and PostgreSQL that counts the client's Flush, Sync and Query messages.

    The client waits after each of them. https://www.postgresql.org/docs/16/protocol-message-formats.html
    """

    def __init__(self, host: str, port: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._server = (host, port)
        self.port = self._listening.getsockname()[1]
        self.waits = 0
        self._unread = b""
        self._started = False
        Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _run(self) -> None:
        client, _ = self._listening.accept()
        server = socket.create_connection(self._server)
        with client, server, selectors.DefaultSelector() as selector:
            for end, other in ((client, server), (server, client)):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(end, selectors.EVENT_READ, (end, other))
            while True:
                for key, _ in selector.select():
                    end, other = key.data
                    if not (data := end.recv(65_536)):
                        return
                    if end is client:
                        self._read(data)
                    other.sendall(data)

    def _read(self, data: bytes) -> None:
        self._unread += data
        while True:
            kind = 1 if self._started else 0  # a connection's first messages have no kind
            size = kind + int.from_bytes(self._unread[kind : kind + 4])
            if len(self._unread) < max(size, kind + 4):
                return
            message, self._unread = self._unread[:size], self._unread[size:]
            if not self._started:
                self._started = int.from_bytes(message[4:8]) not in _NO_START
            elif message[:1] in (b"H", b"S", b"Q"):
                self.waits += 1


@contextmanager
def counted(settings: Settings) -> Iterator[tuple[Database, Callable[[Callable[[], object]], int]]]:
    """Yield a database with one connection that writes, and a function that counts the round trips of a call."""
    at = urlsplit(settings.database_url)
    relay = Relay(str(at.hostname), at.port or 5432)
    url = urlunsplit(at._replace(netloc=f"{at.username}:{at.password}@127.0.0.1:{relay.port}"))
    db = Database.open(
        settings.model_copy(update={"database_url": url, "database_read_url": settings.database_url, "pool_size": 1})
    )

    def count(call: Callable[[], object]) -> int:
        before = relay.waits
        call()
        return relay.waits - before

    try:
        yield db, count
    finally:
        db.close()
        relay.close()


def once(db: Database, clock: Clock, key: str) -> Once:
    return Once(db, clock, key, b"body", 201)


def order(db: Database, clock: Clock, key: str, member: UUID, *products: UUID) -> Any:
    draft = OrderDraft(tuple(LineDraft(product, 1) for product in products))
    return once(db, clock, key)(str(member), lambda session: OrderOut.of(placing.place(session, member, draft, clock)))


@pytest.mark.parametrize("lines", [1, 12])
def test_an_order_asks_four_times_of_the_database_whatever_its_lines(
    shop: Shop, settings: Settings, lines: int
) -> None:
    member, products = shop.member(), [shop.product() for _ in range(lines)]
    with counted(settings) as (db, count):
        for warm in range(8):  # the first read the rules, and prepare statements
            order(db, shop.clock, f"warm-{warm}", member, *products)
        assert count(lambda: order(db, shop.clock, "counted", member, *products)) <= CLAIM + GATHER + END


def test_a_repeated_order_waits_for_its_answer_and_for_the_end(shop: Shop, settings: Settings) -> None:
    member, product = shop.member(), shop.product()
    with counted(settings) as (db, count):
        first = order(db, shop.clock, "key", member, product)
        assert count(lambda: order(db, shop.clock, "key", member, product)) <= CLAIM + END
        assert order(db, shop.clock, "key", member, product).body == first.body


def test_a_refusal_sends_nothing_that_it_would_have_written(shop: Shop, settings: Settings) -> None:
    member, product = shop.member(), shop.product(stock=0)
    with counted(settings) as (db, count):

        def refused() -> None:
            with pytest.raises(OutOfStock):
                order(db, shop.clock, "key", member, product)

        refused()
        assert count(refused) <= CLAIM + GATHER + END + 1  # ROLLBACK
    assert shop.on_hand(product) == 0


def test_statements_of_any_size_arrive_in_their_order(settings: Settings) -> None:
    """libpq buffers 8 KB; larger statements are sent earlier, and results of any size are read meanwhile."""
    with counted(settings) as (db, _), db.write() as session:
        session.run("CREATE TEMPORARY TABLE written (number int, text text) ON COMMIT DROP")
        for number in range(40):
            session.run("INSERT INTO written VALUES (%s, %s)", (number, "x" * 40_000))
        ask = [session.ask("SELECT number, text FROM written ORDER BY number") for _ in range(4)]
        session.run("DELETE FROM written")
        assert session.value("SELECT count(*) FROM written") == 0
        assert all([number for number, _ in rows()] == list(range(40)) for rows in ask)
