"""Locate and create PostgreSQL's data folder.

Its path is `data` in a given folder. For root, `data` is a link to a folder elsewhere, because the account that the
server runs as can't enter root's folders.
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
from app.local.preflight import refuse_full_disk
from app.local.running import release, servers

# An empty database has 40 MB; the rest is for the write-ahead log.
NEEDED_BYTES = 300 * 2**20
# Linux's file system in memory. Tests' databases with their write-ahead logs stay far below _ROOMY_BYTES.
MEMORY, _ROOMY_BYTES = Path("/dev/shm"), 6 * 2**30  # noqa: S108  folders are created there with mode 700
_THROWAWAY = "throwaway"


def locate(folder: Path, account: Account | None, *, durable: bool) -> Path:
    """Return the path of the data folder, which may not exist yet; unless `durable`, it is temporary, for tests.

    Raises Misconfigured if the link to the data folder is broken, or the data folder belongs to another user.
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
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    if durable:
        return shared() / f"{folder.name}-{name}"
    own = psutil.Process()
    return _throwaway_place() / f"{_THROWAWAY}-{own.pid}-{int(own.create_time())}-{name}"


def create(
    folder: Path, data: Path, binaries: Path, account: Account | None, *, user: str, password: str, durable: bool
) -> None:
    """Create the data folder by initdb, atomically; synced to disk if `durable`. Raises Misconfigured if it fails."""
    refuse_full_disk(data.parent, NEEDED_BYTES)
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
    """Raise Misconfigured if `data` is not a data folder of PostgreSQL's version `major`."""
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
    """Remove the data folders that tests left behind, if the processes that made them have ended."""
    for place in [*shared().glob(f"{_THROWAWAY}-*"), *MEMORY.glob(f"{_THROWAWAY}-*")]:
        pid, born, *_ = place.name.removeprefix(f"{_THROWAWAY}-").split("-")
        if _lives(int(pid), int(born)) or servers(place):
            continue
        shutil.rmtree(place, ignore_errors=True)


def _throwaway_place() -> Path:
    """Return the parent of tests' data folders: /dev/shm if it has room, as copying a database there is much faster."""
    roomy = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free >= _ROOMY_BYTES
    return MEMORY if roomy else shared()


def _set_aside(target: Path) -> None:
    """Rename a data folder that no link points to any more to `NAME.forgotten`, replacing an older such folder."""
    release(target)
    kept = target.with_name(f"{target.name}.forgotten")
    shutil.rmtree(kept, ignore_errors=True)
    target.rename(kept)


def _refuse_another_users(data: Path, account: Account | None) -> None:
    if data.is_dir() and (owner := data.stat().st_uid) != (account.uid if account else os.geteuid()):
        raise Misconfigured(f"postgres: {data} belongs to user {owner}; start as that user, or move it away")


def _remove_unfinished(data: Path) -> None:
    """Remove the unfinished data folders of processes that were killed while initdb ran."""
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
    # Text sorts bytewise; with C.UTF-8, if the system has it, upper() and lower() also convert non-ASCII letters.
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
