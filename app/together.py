"""Transactions whose statements go out together, instead of each by itself.

psycopg sends every statement of a pipeline at once and looks for answers after it: a transaction of ten statements then
costs its client thirty system calls, before and after each of which another thread may take the interpreter, and wakes
its server ten times. Here libpq keeps statements until an answer is waited for, or 8 KB are kept; then they go out as
one. The order of statements is the same, and so is what each of them sees.

This overrides parts of psycopg that its documentation does not describe: tests/orders/test_round_trips.py counts on the
wire what comes of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from psycopg import Connection, Pipeline
from psycopg.abc import PQGen
from psycopg.generators import send


class _Together(Pipeline):
    def begin(self) -> None:
        """psycopg's own way waits for the answer."""
        self.command_queue.append(partial(self.pgconn.send_query_params, b"BEGIN", None))
        self.result_queue.append(None)
        self._give_to_libpq()

    def _communicate_gen(self) -> PQGen[None]:
        self._give_to_libpq()
        yield from ()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        self._give_to_libpq()
        if not flush:
            yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=flush)

    def _exit_gen(self) -> PQGen[None]:
        yield from self._sync_gen()  # psycopg's own asks for the answers once more

    def _give_to_libpq(self) -> None:
        while self.command_queue:
            self.command_queue.popleft()()


@contextmanager
def together(connection: Connection[Any]) -> Iterator[None]:
    """Begin a transaction, and keep its statements until an answer is waited for. Whoever calls commits.

    The connection's `autocommit` is on, or psycopg would begin a transaction too.
    """
    connection._pipeline = pipeline = _Together(connection)  # psycopg has no other way to choose one
    with connection.pipeline():
        pipeline.begin()
        yield
