"""The entry point of the platform's processes on one machine: `python -m app.local.child NAME …`.

A process's standard input is a pipe from its parent. When the parent ends, even by SIGKILL, the pipe closes and the
process ends too.
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

# Seconds that a process may take to end; the database writes a checkpoint first.
GRACE_S = 9.0
DATABASE_GRACE_S = 30.0

LARGEST_LOG_BYTES = 10 * 2**20

WORKERS = ("sealer", "stream", "scheduler")
VITALS_PORT = "REWARDS_VITALS_PORT"


def spawn(
    name: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start one of the platform's processes in a session of its own, so that Ctrl-C reaches only the parent process.

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
    # A handler and not SIG_IGN, which would be inherited by the programs that this process starts.
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
    """Run PostgreSQL's server as the account, shut it down when `stop` is set, and return its exit code."""
    server = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, cwd="/", **(account.popen() if account else {})
    )
    threading.Thread(target=_shut_down, args=(server, stop), daemon=True).start()
    return server.wait()


def _shut_down(server: subprocess.Popen[bytes], stop: threading.Event) -> None:
    stop.wait()
    # PostgreSQL's fast shutdown, then its immediate one, then a kill.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(number)
        try:
            server.wait(DATABASE_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        return


def _until_the_parent_is_gone(stop: threading.Event) -> None:
    # os.read, because a thread that holds sys.stdin's lock would abort the interpreter when it exits.
    while os.read(0, 4096):
        pass
    stop.set()


def _with_deadline(stop: threading.Event, work: Callable[[], None]) -> int:
    """Run `work` and return 0; if it has not returned GRACE_S after `stop` is set, end the process with exit code 1."""

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

    # Without this each request would be logged.
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
    # Imported here, so that the database's process starts without importing the application.
    from app.loops import or_end_the_process  # noqa: PLC0415

    or_end_the_process(lambda: importlib.import_module("app.local.workers").run(name, stop))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
