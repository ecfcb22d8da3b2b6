"""The entry point of every process of the one-machine platform: `python -m app.local.child NAME …`.

A child's standard input is a pipe held by its parent. When the parent ends, even by SIGKILL, the pipe closes and the
child ends, so no process is left behind.
"""

import importlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.local.account import Account

# How long a child may take to end by itself; a fast shutdown of the database writes a checkpoint first.
GRACE_S = 9.0
DATABASE_GRACE_S = 30.0

LARGEST_LOG_BYTES = 10 * 2**20

WORKERS = ("sealer", "stream", "scheduler")
VITALS_PORT = "REWARDS_VITALS_PORT"


def spawn(
    name: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a child in its own session, so that a terminal's Ctrl-C reaches only the parent.

    Closing its stdin ends it. Its output is appended to the log, which only its owner can read.
    """
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        os.truncate(log, 0)
    with open(log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "app.local.child", name, *arguments],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        )


def main(arguments: Sequence[str]) -> int:
    stop = threading.Event()
    # A handler, not SIG_IGN: what is ignored stays ignored in the programs that a child starts.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_until_the_parent_is_gone, args=(stop,), daemon=True).start()
    match list(arguments):
        case ["postgres", _starter, uid, gid, *command]:
            return guard(command, Account(int(uid), int(gid)) if uid else None, stop)
        case ["moto", port]:
            return _with_deadline(stop, lambda: _moto(int(port), stop))
        case ["api", port]:
            return _with_deadline(stop, lambda: _api(int(port), stop))
        case [worker, vitals_port] if worker in WORKERS:
            os.environ[VITALS_PORT] = vitals_port
            return _with_deadline(stop, lambda: _worker(worker, stop))
        case _:
            sys.stderr.write(f"no such child: {' '.join(arguments)}\n")
            return 2


def guard(command: Sequence[str], account: Account | None, stop: threading.Event) -> int:
    """Run a server, and shut it down when `stop` is set because the starter ended."""
    server = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, cwd="/", **(account.popen() if account else {})
    )
    threading.Thread(target=_shut_down, args=(server, stop), daemon=True).start()
    return server.wait()


def _shut_down(server: subprocess.Popen[bytes], stop: threading.Event) -> None:
    stop.wait()
    # PostgreSQL's fast shutdown, its immediate one, and none at all.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(number)
        try:
            server.wait(DATABASE_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        return


def _until_the_parent_is_gone(stop: threading.Event) -> None:
    # os.read, because a thread inside sys.stdin's lock would abort the interpreter's own end.
    while os.read(0, 4096):
        pass
    stop.set()


def _with_deadline(stop: threading.Event, work: Callable[[], None]) -> int:
    """Run `work`, and end the process GRACE_S after `stop`, whatever `work` is waiting for."""

    def end() -> None:
        stop.wait()
        threading.Event().wait(GRACE_S)
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
    work()
    return 0


def _moto(port: int, stop: threading.Event) -> None:
    import logging  # noqa: PLC0415

    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    # A line per request would be most of the log.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    stop.wait()
    server.stop()


def _api(port: int, stop: threading.Event) -> None:
    from app.server import server as serving  # noqa: PLC0415
    from app.settings import Settings  # noqa: PLC0415

    settings = Settings.load().model_copy(update={"shutdown_s": int(GRACE_S) - 2})
    server = serving("127.0.0.1", port, settings, access_log=False)

    def end() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=end, daemon=True).start()
    server.run()


def _worker(name: str, stop: threading.Event) -> None:
    # Only here, so that the database's guard starts without the application.
    from app.loops import or_end_the_process  # noqa: PLC0415

    or_end_the_process(lambda: importlib.import_module("app.local.workers").run(name, stop))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
