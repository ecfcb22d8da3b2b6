"""Locate and create a PostgreSQL data folder.

`data` in a caller's folder is the data folder, or for root a link to it: the server runs as another account, which
can't enter root's folders, and no folder's permissions are changed for it.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import psutil

from app.errors import Misconfigured
from app.local.account import Account
from app.local.binaries import shared
from app.local.running import release, servers

# An empty database is 40 MB, and the journal that is written ahead wants room of its own.
NEEDED_BYTES = 300 * 2**20
# Linux's own place for files in memory. Tests' databases and what is written ahead of them stay far below this.
MEMORY, _ROOMY_BYTES = Path("/dev/shm"), 6 * 2**30  # noqa: S108  folders there are made with an own name and mode
_THROWAWAY = "throwaway"


def locate(folder: Path, account: Account | None, *, durable: bool) -> Path:
    """Return the path of a folder's data, which may not exist yet.

    Raises Misconfigured if the link is broken or the data belong to another user.
    """
    link = folder / "data"
    if link.is_symlink() and not link.exists():
        raise Misconfigured(
            f"postgres: the data folder {link.readlink()} is gone; restore it, or remove {link} to begin anew"
        )
    if link.exists():
        _refuse_another_users(link, account)
        return link.resolve()
    if account is None:
        return link.resolve()
    return shared() / _durable_name(folder) if durable else _throwaway_place() / _throwaway_name(folder)


def create(
    folder: Path,
    data: Path,
    binaries: Path,
    account: Account | None,
    *,
    user: str,
    password: str,
    durable: bool,
) -> None:
    """Run initdb, and link to its result, which becomes visible only when complete.

    Raises Misconfigured with initdb's own reason.
    """
    _refuse_a_full_disk(data.parent)
    _remove_unfinished(data)
    if data.exists() and account:
        _set_aside(data)
    staging = data.with_name(f"{data.name}.new-{os.getpid()}")
    staging.mkdir(mode=0o700)
    try:
        _give(staging, account)
        secret = staging / "password"
        secret.write_text(password)
        secret.chmod(0o600)
        _give(secret, account)
        _initdb(staging / "data", binaries, account, user=user, secret=secret, durable=durable)
        (staging / "data").rename(data)
        if data != folder / "data" and account:
            (folder / "data").symlink_to(data)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check(folder: Path, data: Path, major: int) -> None:
    """Raise Misconfigured if it is no data folder, or of another major version."""
    try:
        version = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise Misconfigured(
            f"postgres: {data} is not a database (PG_VERSION is missing); move {folder} away to begin anew"
        ) from None
    if version != str(major):
        raise Misconfigured(
            f"postgres: {data} was made by PostgreSQL {version}, not {major}; start that one, or move {folder} away"
        )


def sweep() -> None:
    """Remove throwaway data whose starter was killed before it could."""
    for place in [*shared().glob(f"{_THROWAWAY}-*"), *MEMORY.glob(f"{_THROWAWAY}-*")]:
        pid, born, *_ = place.name.removeprefix(f"{_THROWAWAY}-").split("-")
        if _lives(int(pid), int(born)) or servers(place):
            continue
        shutil.rmtree(place, ignore_errors=True)


def _durable_name(folder: Path) -> str:
    return f"{folder.name}-{_hash(folder)}"


def _throwaway_name(folder: Path) -> str:
    own = psutil.Process()
    return f"{_THROWAWAY}-{own.pid}-{int(own.create_time())}-{_hash(folder)}"


def _throwaway_place() -> Path:
    """Return memory if it has room, where copying a database of 560 files takes a tenth of the time."""
    roomy = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free >= _ROOMY_BYTES
    return MEMORY if roomy else shared()


def _hash(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]


def _set_aside(target: Path) -> None:
    """Rename data whose link was removed to begin anew; the data set aside before them are deleted."""
    release(target)
    kept = target.with_name(f"{target.name}.forgotten")
    shutil.rmtree(kept, ignore_errors=True)
    target.rename(kept)


def _refuse_another_users(data: Path, account: Account | None) -> None:
    if data.is_dir() and (owner := data.stat().st_uid) != (account.uid if account else os.geteuid()):
        raise Misconfigured(f"postgres: {data} belongs to user {owner}; start as that user, or move it away")


def _refuse_a_full_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise Misconfigured(
            f"postgres: the disk of {folder} has {free >> 20} MB left, {NEEDED_BYTES >> 20} MB are needed; make room"
        )


def _remove_unfinished(data: Path) -> None:
    """Remove what killed starts left of initdb."""
    for staging in data.parent.glob(f"{data.name}.new-*"):
        pid = int(staging.name.rpartition("-")[2])
        if pid == os.getpid() or not psutil.pid_exists(pid):
            shutil.rmtree(staging)


def _give(path: Path, account: Account | None) -> None:
    if account:
        os.chown(path, account.uid, account.gid)


def _initdb(data: Path, binaries: Path, account: Account | None, *, user: str, secret: Path, durable: bool) -> None:
    command = [
        str(binaries / "bin" / "initdb"),
        f"--pgdata={data}",
        f"--username={user}",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    ]
    # Bytewise order everywhere; upper() and lower() know letters beyond ASCII where the system has C.UTF-8.
    for locale in (["--locale=C", "--lc-ctype=C.UTF-8"], ["--locale=C"]):
        done = subprocess.run(  # noqa: S603
            [*command, *locale],
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
            **(account.popen() if account else {}),
        )
        if "invalid locale name" not in done.stderr:
            break
    if done.returncode:
        raise Misconfigured(f"postgres: the database could not be made in {data}: {_reason(done.stderr)}")


def _reason(stderr: str) -> str:
    if "could not look up effective user ID" in stderr:
        return (
            "the user id it runs as has no entry in /etc/passwd, which initdb needs; "
            "run as a user that has one, or set DATABASE_URL to a server of your own"
        )
    lines = [line.removeprefix("initdb: ") for line in stderr.splitlines() if line.strip()]
    return next((line for line in lines if "rror:" in line or "FATAL" in line), " ".join(lines[-2:]))


def _lives(pid: int, born: int) -> bool:
    try:
        return int(psutil.Process(pid).create_time()) == born
    except psutil.Error:
        return False
