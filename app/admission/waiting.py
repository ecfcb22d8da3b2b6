"""Limit how many requests run at once, how many others wait in a queue, and how long they wait."""

import asyncio
import random
from enum import Enum

from starlette.types import Receive

from app.errors import Busy, ClientLeft

SOONEST_RETRY_S, LATEST_RETRY_S = 1, 4


class _Turn(Enum):
    COME = "come"
    LATE = "late"
    LEFT = "left"


def busy() -> Busy:
    """Return a Busy error with a random Retry-After, so that refused clients don't all return at once."""
    wait = random.randint(SOONEST_RETRY_S, LATEST_RETRY_S)  # noqa: S311  no secret
    return Busy("nothing was changed; try again after `Retry-After` seconds", headers={"Retry-After": str(wait)})


class Places:
    """Limits concurrent requests to `number` places; `line` others may wait for a place, up to `wait_s` seconds."""

    def __init__(self, number: int, line: int, wait_s: float) -> None:
        self._free, self._longest, self._wait_s = number, line, wait_s
        self._line: dict[asyncio.Future[_Turn], None] = {}

    async def take(self, receive: Receive | None) -> bool:
        """Take a place for a request, in the order of arrival, and return true if the request had to wait for it.

        Raises Busy if the queue is full or the wait too long, and ClientLeft if `receive` reports a disconnect first.
        `receive` is None if the calling code checks for disconnects itself.
        """
        if self.is_full():
            raise busy()
        if self._free:
            self._free -= 1
            return False
        await self._wait(receive)
        return True

    def is_full(self) -> bool:
        """Return true if the next request would be refused: no place is free and the queue is full."""
        return not self._free and len(self._line) >= self._longest

    def give(self) -> None:
        """Hand a place over to the first request in the queue, or make it free if the queue is empty."""
        for turn in self._line:
            if not turn.done():
                turn.set_result(_Turn.COME)
                return
        self._free += 1

    async def _wait(self, receive: Receive | None) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[_Turn] = loop.create_future()
        self._line[turn] = None
        late = loop.call_later(self._wait_s, _settle, turn, _Turn.LATE)
        leaving = asyncio.ensure_future(receive()) if receive else None
        if leaving:
            leaving.add_done_callback(lambda _: _settle(turn, _Turn.LEFT))
        try:
            match await turn:
                case _Turn.LATE:
                    raise busy()
                case _Turn.LEFT:
                    raise ClientLeft("it left while it waited for its turn")
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result() is _Turn.COME:
                self.give()
            raise
        finally:
            del self._line[turn]
            late.cancel()
            if leaving:
                leaving.cancel()


def _settle(turn: asyncio.Future[_Turn], how: _Turn) -> None:
    if not turn.done():
        turn.set_result(how)
