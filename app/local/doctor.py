"""`rewards doctor`: checks of this machine's platform, each with a remedy if it fails."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from app import lags
from app.clock import ShiftedClock, clock_for
from app.db import Session
from app.errors import Misconfigured, first_line
from app.lags import Part
from app.local import aws, binaries, preflight, state
from app.local.state import State
from app.settings import Settings

OLDEST_PYTHON = (3, 11)
_WORKER = {
    Part.SEALING: "sealer",
    Part.PUBLISHING: "sealer",
    Part.CONSUMING: "stream",
    Part.NIGHT: "scheduler",
    Part.DIGESTS: "scheduler",
}
_READ = ("DATABASE_URL", "STREAM_NAME", "CLOCK_FILE")
"""Names of the settings that reading the lags needs."""

_BEGIN = "make up"


@dataclass(frozen=True)
class Check:
    """A check's result: `says` describes what was seen, `mend` is the remedy in one line ('' if the check passed)."""

    name: str
    ok: bool
    says: str
    mend: str = ""


def checks(folder: Path) -> list[Check]:
    """Check the machine and, while `rewards up` runs, the platform's processes. An exception is a failed check."""
    folder = folder.absolute()
    machine = [_python(), _postgresql(), _permissions(folder), _disk(folder)]
    try:
        remembered = state.read(folder)
    except Misconfigured as refused:
        return [*machine, Check("platform", False, str(refused), _BEGIN)]
    if remembered is None or not remembered.running:
        says = "it never ran here" if remembered is None else "it is stopped"
        return [*machine, Check("platform", False, says, _BEGIN)]
    return [*machine, *_of_the_running(remembered)]


def _of_the_running(remembered: State) -> Iterator[Check]:
    yield Check("platform", True, f"process {remembered.pid}")
    yield from (_process(name, pid) for name, pid in remembered.processes.items())
    environment = remembered.environment
    url = environment.get("REWARDS_DATABASE_URL", "")
    yield _checked("database", lambda: _database(url))
    yield _checked("schema", lambda: _schema(url))
    yield from _behind(environment)
    yield _checked("stream and archive", lambda: _cloud(environment))
    yield _api(remembered.api)
    yield _clock(Path(environment["REWARDS_CLOCK_FILE"]))


def _checked(name: str, check: Callable[[], tuple[bool, str, str]]) -> Check:
    try:
        ok, says, mend = check()
    except Exception as failed:  # the other checks must still run
        return Check(name, False, first_line(failed), _restart("its part"))
    return Check(name, ok, says, "" if ok else mend)


def _python() -> Check:
    ok = sys.version_info[:2] >= OLDEST_PYTHON
    return Check("Python", ok, sys.version.split()[0], "" if ok else "make clean; make PYTHON=python3.12 up")


def _postgresql() -> Check:
    try:
        return Check("PostgreSQL's programs", True, str(binaries.installed()))
    except Misconfigured as refused:
        return Check("PostgreSQL's programs", False, str(refused), "make .venv/.local")


def _permissions(folder: Path) -> Check:
    try:
        preflight.refuse_unusable(folder)
    except FileNotFoundError:
        return Check("folder", True, f"{folder} is not made yet")
    except (Misconfigured, OSError) as refused:
        return Check("folder", False, str(refused), f"chmod 700 {folder}, as its owner")
    if folder.stat().st_mode & 0o077:
        return Check("folder", False, f"{folder} is open to others", f"chmod 700 {folder}")
    return Check("folder", True, f"{folder} is private")


def _disk(folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    ok = free >= preflight.NEEDED_BYTES
    return Check("disk", ok, f"{free / 2**30:.1f} GB free", "" if ok else f"make room on the disk of {existing}")


def _process(name: str, pid: int) -> Check:
    if state.alive(pid):
        return Check(name, True, f"process {pid}")
    return Check(name, False, f"process {pid} is gone", _restart(name))


def _database(url: str) -> tuple[bool, str, str]:
    with psycopg.connect(url, connect_timeout=3) as connection:
        (version,) = connection.execute("SHOW server_version").fetchone() or ("?",)
    return True, f"PostgreSQL {version}", ""


def _schema(url: str) -> tuple[bool, str, str]:
    from app.migrations import current, head  # noqa: PLC0415 - alembic takes a while to load

    at, needed = current(url), head()
    return at == needed, f"at {at or 'nothing'}, the code is at {needed}", f"stop it and {_BEGIN}: it migrates"


def _behind(environment: dict[str, str]) -> Iterator[Check]:
    """Yield a check for each part, such as the nightly calculation; it fails if the part is too late with its work."""
    try:
        settings = Settings.model_validate({name.lower(): environment.get(f"REWARDS_{name}") for name in _READ})
        with psycopg.connect(settings.database_url, connect_timeout=3) as connection:
            behind = lags.read(Session(connection), settings, clock_for(settings.clock_file))
    except psycopg.errors.UndefinedTable:
        yield Check("lags", True, "no journal yet")
    except Exception as failed:  # the other checks must still run
        yield Check("lags", False, first_line(failed), _restart("sealer"))
    else:
        for lag in behind:
            yield Check(lag.part, not lag.is_late, str(lag), _mend(lag.part) if lag.is_late else "")


def _cloud(environment: dict[str, str]) -> tuple[bool, str, str]:
    missing = aws.missing(environment)
    return missing is None, missing or environment["AWS_ENDPOINT_URL"], _restart("moto")


def _api(address: str) -> Check:
    ok = aws.answers(address, "/health/ready")
    says = f"{address} is {'ready' if ok else 'not ready'}"
    return Check("API", ok, says, "" if ok else _restart("api"))


def _clock(path: Path) -> Check:
    shift = ShiftedClock(path).offset()
    return Check("clock", True, f"moved ahead by {shift}" if shift > timedelta() else "the system's")


def _restart(name: str) -> str:
    return f"see .rewards{os.sep}log{os.sep}{name}.log; Ctrl-C and {_BEGIN} start it anew"


def _mend(part: Part) -> str:
    if part is Part.CONSUMING:
        return f"`rewards stream redrive` tries what was put aside (`rewards stream quarantine`); {_restart('stream')}"
    return _restart(_WORKER[part])
