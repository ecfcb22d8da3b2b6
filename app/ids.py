"""Identifiers: time-ordered where rows are many, derived where a source already names the thing."""

import os
import time
from uuid import UUID, uuid5

_NAMESPACE = UUID("8f0f6f0e-5d0c-4c55-9a43-6d1c1b7a2f10")


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562 §5.7): 48 bits of milliseconds, then randomness, so that keys arrive in order."""
    value = int.from_bytes(os.urandom(10)) | (time.time_ns() // 1_000_000) << 80
    return UUID(int=value & ~(0xF << 76) & ~(0b11 << 62) | 7 << 76 | 0b10 << 62)


def derived_id(*parts: str) -> UUID:
    """The same parts always give the same id: loading a source twice finds its own rows."""
    return uuid5(_NAMESPACE, ":".join(parts))
