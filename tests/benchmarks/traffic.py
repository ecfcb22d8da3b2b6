"""A light load generator: each of its connections sends a prepared HTTP request as soon as the last one is answered.

It connects only to this machine.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles
from urllib.parse import urlsplit

Request = Callable[[int, int], bytes]
"""Makes the bytes of request `number` of connection `connection`."""


@dataclass(frozen=True)
class Measured:
    """The result of a load: latencies in seconds, in order of completion, and the number of answers per status code."""

    seconds: float
    latencies: list[float]
    statuses: Counter[int]

    @property
    def refused(self) -> int:
        """The number of answers with a status other than 2xx."""
        return sum(number for status, number in self.statuses.items() if not 200 <= status < 300)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def request(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def run(url: str, make: Request, connections: int, seconds: float) -> Measured:
    """Send requests for `seconds` over `connections` connections; `make` returns the bytes of each request."""
    address = urlsplit(url)
    assert address.hostname == "127.0.0.1"
    return asyncio.run(_run(address.port or 80, make, connections, seconds))


async def _run(port: int, make: Request, connections: int, seconds: float) -> Measured:
    latencies: list[float] = []
    statuses = Counter[int]()
    end = time.perf_counter() + seconds

    async def talk(connection: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = 0
        while (begun := time.perf_counter()) < end:
            writer.write(make(connection, number))
            status = await _answer(reader)
            latencies.append(time.perf_counter() - begun)
            statuses[status] += 1
            number += 1
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(talk(connection) for connection in range(connections)))
    return Measured(time.perf_counter() - begun, latencies, statuses)


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    low = head.lower()
    at = low.index(b"content-length:") + 15
    await reader.readexactly(int(low[at : low.index(b"\r\n", at)]))
    return int(head[9:12])
