"""Find out whether a request's client is still connected, by an ASGI extension that app.connection provides."""

from collections.abc import Callable

from starlette.types import Scope

EXTENSION = "rewards.has_left"
HasLeft = Callable[[], bool]


def is_told(scope: Scope) -> bool:
    """Return true if the server supports `has_left`; else the application must watch for disconnects itself."""
    return EXTENSION in scope.get("extensions", {})


def has_left(scope: Scope) -> bool:
    """Return true if the client has disconnected; false without the extension. Thread-safe; takes a system call."""
    probe: HasLeft | None = scope.get("extensions", {}).get(EXTENSION)
    return probe is not None and probe()
