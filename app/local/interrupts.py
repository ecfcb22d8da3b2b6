"""Context managers that set the handlers of SIGINT and SIGTERM while a `with` block runs."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handled_as_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM and SIGINT, even in a shell's background job, where SIGINT is ignored."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(signal.SIGTERM, interrupt), _handled(signal.SIGINT, interrupt):
        yield


@contextmanager
def ignored() -> Iterator[None]:
    """Ignore SIGTERM and SIGINT during the `with` block, so that it can stop the platform's processes in good order."""
    with _handled(signal.SIGTERM, signal.SIG_IGN), _handled(signal.SIGINT, signal.SIG_IGN):
        yield


@contextmanager
def _handled(
    which: signal.Signals, handler: Callable[[int, FrameType | None], None] | signal.Handlers
) -> Iterator[None]:
    before = signal.signal(which, handler)
    try:
        yield
    finally:
        signal.signal(which, before)
