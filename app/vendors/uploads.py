"""Receive vendors' feeds: store them on disk, hash their bytes, and limit how many are stored and parsed at once.

Stored feeds take the pod's disk space, and parsing takes CPU time. A feed beyond the limit of the process or of its
vendor is refused, and the sender is told to try again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Self
from uuid import UUID

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.errors import BadFeed, Busy, ClientLeft, TooManyRequests
from app.vendors import encodings
from app.vendors.feed import IN_MEMORY, MOST_BYTES

ON_DISK = 8  # feeds of a process that are stored or arriving
ON_DISK_OF_A_VENDOR = 2
READ_AT_A_TIME = 2
WAIT_SECONDS = 10
_LATER = {"Retry-After": "5"}


class Upload:
    """A feed as received, stored on disk above 1 MiB; `charset` is the encoding that the sender declares."""

    def __init__(self, charset: str | None, begin: bytes = b"") -> None:
        """Create an empty upload; `request_hash` hashes `begin` (the request's parameters) and the feed's bytes."""
        self.file: IO[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  closed by __exit__
        self.charset = charset
        self.size = 0
        self.sha256 = sha256()
        self.request_hash = sha256(begin)

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises BadFeed if the feed becomes too large."""
        self.size += len(chunk)
        if self.size > MOST_BYTES:
            raise BadFeed(f"a feed has at most {MOST_BYTES // 1024**2} MB: send it in parts")
        self.sha256.update(chunk)
        self.request_hash.update(chunk)
        self.file.write(chunk)

    @classmethod
    def of(cls, chunks: Iterable[bytes], charset: str | None) -> Self:
        """Create an upload from the chunks of a whole file. Raises BadFeed if it is too large."""
        upload = cls(charset)
        try:
            for chunk in chunks:
                upload.write(chunk)
        except BaseException:
            upload.file.close()
            raise
        return upload

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


class Places:
    """Limits how many feeds a process stores (more are refused) and parses at once (more wait). Not thread-safe."""

    def __init__(self) -> None:
        self._on_disk: Counter[UUID] = Counter()
        self._reading = asyncio.Semaphore(READ_AT_A_TIME)

    @contextmanager
    def on_disk(self, vendor_id: UUID) -> Iterator[None]:
        """Reserve disk space for one feed until the `with` block ends.

        Raises TooManyRequests if too many feeds of the vendor are stored, and Busy if too many feeds of all vendors
        are.
        """
        if self._on_disk[vendor_id] >= ON_DISK_OF_A_VENDOR:
            raise TooManyRequests(f"{ON_DISK_OF_A_VENDOR} of your feeds are being taken in", headers=_LATER)
        if self._on_disk.total() >= ON_DISK:
            raise Busy("many feeds are being taken in; send yours again in a moment", headers=_LATER)
        self._on_disk[vendor_id] += 1
        try:
            yield
        finally:
            self._on_disk[vendor_id] -= 1
            self._on_disk += Counter()  # drops vendors at zero

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[None]:
        """Wait for one of the places for parsing a feed, and keep it until the `with` block ends.

        Raises Busy after 10 s, and ClientLeft if the client disconnected meanwhile.
        """
        try:
            await asyncio.wait_for(self._reading.acquire(), WAIT_SECONDS)
        except TimeoutError:
            raise Busy("other feeds are being taken in; send yours again in a moment", headers=_LATER) from None
        try:
            if await request.is_disconnected():
                raise ClientLeft("it left while its feed waited for its turn")
            yield
        finally:
            self._reading.release()


def places(request: Request) -> Places:
    """Return this process's Places, which limits the feeds of all requests; the first call creates it."""
    state: Any = request.app.state
    if not hasattr(state, "feed_places"):
        state.feed_places = Places()
    slots: Places = state.feed_places
    return slots


@asynccontextmanager
async def received(
    request: Request, vendor_id: UUID, begin: bytes, check_sender: Callable[[], object]
) -> AsyncIterator[Upload]:
    """Receive a request's body as an upload, which exists within the `with` block.

    `check_sender` raises if the vendor may not send feeds; the body is not read then. Raises BadFeed if the body is too
    large, ClientLeft if the client disconnects, TooManyRequests or Busy if too many feeds are being received.
    """
    charset = encodings.charset_of(request.headers.get("content-type"))
    hashed_prefix = begin + f"{charset}\n".encode() if charset else begin
    with places(request).on_disk(vendor_id), Upload(charset, hashed_prefix) as upload:
        await run_in_threadpool(check_sender)
        try:
            async for chunk in request.stream():
                upload.write(chunk)
        except ClientDisconnect:
            raise ClientLeft("it left before its feed was whole") from None
        yield upload
