"""UUIDs: time-ordered ones for new rows, and ones derived from texts, such as names in a data source."""

import os
import time
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid5

_NAMESPACE = UUID("8f0f6f0e-5d0c-4c55-9a43-6d1c1b7a2f10")

NIL = UUID(int=0)
"""The nil UUID, which is no row's id."""


def new_id() -> UUID:
    """Return a UUID version 7 (RFC 9562, 5.7): milliseconds, then random bits, so that new rows sort last."""
    return _version_7(time.time_ns() // 1_000_000, os.urandom(10))


def _version_7(milliseconds: int, tail: bytes) -> UUID:
    value = milliseconds << 80 | int.from_bytes(tail)
    return UUID(int=value & ~(0xF << 76) & ~(0b11 << 62) | 7 << 76 | 0b10 << 62)


def derived_id(*parts: str) -> UUID:
    """Return a UUID derived from texts (version 5), so that loading a source again finds the first load's rows."""
    return uuid5(_NAMESPACE, ":".join(parts))


def dated_id(instant: datetime, *parts: str) -> UUID:
    """Return a UUID derived from an instant and texts. It sorts by the instant, as those of `new_id` do."""
    return _version_7(int(instant.timestamp() * 1000), sha256(":".join(parts).encode()).digest()[:10])
