"""Tests that the load generator notices when it sent requests too late to measure a server fairly."""

import asyncio
import time
from itertools import pairwise
from typing import cast

import pytest

from tests.server import load
from tests.server.load import Phase, Plan, Sent

LATE_S = 0.4
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


class Creating(asyncio.Protocol):
    """A server that answers every request with 201 at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, _: bytes) -> None:
        self.transport.write(CREATED)


async def sent_while_the_loop_stands_still() -> list[Sent]:
    """Run generator and server in one event loop that is blocked for a while; return the requests sent."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Creating, "127.0.0.1", 0)
    port, patience = server.sockets[0].getsockname()[1], (0.6, 0.6)
    plan = Plan("load", port, "/orders", ["Bearer x"], ["{}"], [Phase(50, 1, patience), Phase(50, 0.2, patience)])
    loop.call_later(0.3, time.sleep, LATE_S)
    sents = await load._run(plan)
    server.close()
    return sents


def test_waits_count_from_when_a_request_was_due_and_every_one_is_sent() -> None:
    sents = asyncio.run(sent_while_the_loop_stands_still())
    assert [sent.phase for sent in sents] == [0] * 50 + [1] * 10
    assert LATE_S / 2 < max(sent.late_s for sent in sents) < 2 * LATE_S
    assert all(sent.seconds >= sent.late_s for sent in sents if sent.status)
    gaps = [later.at - earlier.at for earlier, later in pairwise(sents)]
    assert max(gaps) < LATE_S / 4, "what was sent late is dated when it was due"


def test_a_generator_that_was_late_judges_no_server() -> None:
    on_time = [Sent(str(number), 0, 0.0, late_s=0.01) for number in range(98)]
    assert str(load.lateness(on_time)) == "generator late by 0.010 s at the 99th percentile, 0.010 s at most"
    late = [Sent("late", 0, 0.0, late_s=0.3)] * 3
    with pytest.raises(AssertionError, match=r"unfit to judge the server .* late by 0\.300 s"):
        load.lateness(on_time + late)
