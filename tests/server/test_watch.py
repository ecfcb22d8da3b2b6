"""Tests of the watch over open connections: one's error doesn't stop it, and a closed socket's client is gone."""

import asyncio
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from app.connection import Connection, _is_hung_up
from app.watch import Limits, Watch


class Broken(Connection):
    def look(self, _: Limits) -> None:
        raise RuntimeError("it can't be looked at")


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is asked")


def _config() -> uvicorn.Config:
    config = uvicorn.Config(_nothing, ws="none", lifespan="off")
    limits = Limits(
        connections=9, head_bytes=1024, head_s=1, body_s=1, body_bytes_a_second=1, answer_s=1, keep_alive_s=1
    )
    config.watch = Watch(limits)  # type: ignore[attr-defined]
    return config


def test_a_connection_that_breaks_the_look_is_dropped_and_the_others_are_still_watched() -> None:
    async def scenario() -> None:
        config, state, kinds = _config(), ServerState(), iter([Broken, Connection, Connection])
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: next(kinds)(config, state, {}), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        try:
            assert len(lines) == 3
            for reader, _ in lines:
                with suppress(ConnectionError):
                    assert await asyncio.wait_for(reader.read(), 20) == b""
        finally:
            for _, writer in lines:
                writer.close()
            server.close()

    asyncio.run(scenario())


def test_the_client_of_a_closed_socket_has_left() -> None:
    async def scenario() -> None:
        loop, gone = asyncio.get_running_loop(), asyncio.Event()

        class Client(asyncio.Protocol):
            def connection_lost(self, _: Exception | None) -> None:
                gone.set()

        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        transport, _ = await loop.create_connection(Client, *server.sockets[0].getsockname())
        assert not _is_hung_up(transport)
        transport.close()
        await gone.wait()
        while transport.get_extra_info("socket").fileno() >= 0:
            await asyncio.sleep(0)
        assert _is_hung_up(transport)
        server.close()

    asyncio.run(scenario())
