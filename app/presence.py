"""Ask the server's connection whether a request's client is still connected."""

from collections.abc import Callable

from starlette.types import Scope

EXTENSION = "rewards.has_left"
HasLeft = Callable[[], bool]


def is_told(scope: Scope) -> bool:
    """Return true if the server can tell, so that nothing else needs to watch for a disconnect."""
    return EXTENSION in scope.get("extensions", {})


def has_left(scope: Scope) -> bool:
    """Return true if the client left; false if the server can't tell. Thread-safe; costs one system call."""
    probe: HasLeft | None = scope.get("extensions", {}).get(EXTENSION)
    return probe is not None and probe()
