"""Whether the client of a request is still there, as the server's connection knows it."""

from collections.abc import Callable

from starlette.types import Scope

EXTENSION = "rewards.has_left"
Asked = Callable[[], bool]


def is_told(scope: Scope) -> bool:
    """Whether the server knows: then nothing needs to wait for its client's leaving beside the work."""
    return EXTENSION in scope.get("extensions", {})


def has_left(scope: Scope) -> bool:
    """Never so under a server that doesn't tell (`app.connection` does). Any thread may ask; it costs a system call."""
    asked: Asked | None = scope.get("extensions", {}).get(EXTENSION)
    return asked is not None and asked()
