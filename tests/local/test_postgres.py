"""Tests of starting PostgreSQL, with real servers, signals and users."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import psycopg
import pytest

from app.errors import Misconfigured
from app.local import binaries, datadir, postgres, running
from app.local.account import Account
from app.local.postgres import Server
from tests.conftest import Until

STARTER = """
import pathlib, sys
from app.local import postgres
server = postgres.start(pathlib.Path(sys.argv[1]), durable=sys.argv[2] == "durable")
print(server.url("postgres"), server.guard.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def starter(folder: Path, kind: str = "durable") -> Iterator[tuple["subprocess.Popen[str]", str, int]]:
    """Start a process that starts a PostgreSQL server; yield the process, the server's URL and its guard's pid."""
    command = [sys.executable, "-c", STARTER, str(folder), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url, guard = process.stdout.readline().split()
        yield process, url, int(guard)
        process.kill()


def remember(url: str) -> UUID:
    """Insert a row with a random UUID, and return the UUID."""
    word = uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word uuid)")
        connection.execute("INSERT INTO kept VALUES (%s)", [word])
    return word


def remembered(server: Server) -> set[UUID]:
    with psycopg.connect(server.url("postgres")) as connection:
        return {word for (word,) in connection.execute("SELECT word FROM kept").fetchall()}


def test_second_start_finds_data_and_port_of_the_first(kept: Path) -> None:
    with postgres.start(kept) as first:
        word = remember(first.url("postgres"))
    with postgres.start(kept) as second:
        assert word in remembered(second)
        assert second.url() == first.url()
    assert stat.S_IMODE((kept / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((kept / "data").stat().st_mode) == 0o700


def test_server_speaks_utc_utf8_and_only_to_those_with_the_password(kept: Path) -> None:
    with postgres.start(kept) as server:
        server.create_database("rewards")
        server.create_database("rewards")
        with psycopg.connect(server.url()) as connection:
            row = connection.execute(
                "SELECT current_setting('timezone'), current_setting('server_encoding')"
            ).fetchone()
            assert row == ("UTC", "UTF8")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url().replace(server.postgres.password, "guessed"))


def test_not_durable_leaves_no_data_and_major_18_is_a_choice(folder: Path) -> None:
    with postgres.start(folder, durable=False, major=18) as server:
        data = server.postgres.data
        with psycopg.connect(server.url("postgres")) as connection:
            assert connection.info.server_version // 10_000 == 18
    assert not data.exists()
    assert not (folder / "data").is_symlink()


def test_data_to_be_kept_are_not_taken_for_throwaway_ones(kept: Path) -> None:
    with pytest.raises(Misconfigured, match=r"holds data to be kept"):
        postgres.start(kept, durable=False)
    with postgres.start(kept):
        pass


def test_server_ends_when_its_starter_is_killed(kept: Path, until: Until) -> None:
    with starter(kept) as (process, url, _):
        word = remember(url)
        data = (kept / "data").resolve()
        assert running.servers(data)
        process.kill()
        until(lambda: not running.servers(data))
    with postgres.start(kept) as server:
        assert word in remembered(server)


def test_throwaway_data_of_a_killed_starter_are_swept_by_the_next(folder: Path, until: Until, as_root: None) -> None:
    with starter(folder, "throwaway") as (process, _, _):
        data = (folder / "data").resolve()
        datadir.sweep()
        assert data.exists()
        process.kill()
        process.wait()
        until(lambda: not running.servers(data))
    datadir.sweep()
    assert not data.exists()
    (folder / "data").unlink()


def test_orphan_of_a_killed_guard_is_stopped_and_its_data_found(kept: Path) -> None:
    with starter(kept) as (process, url, guard):
        word = remember(url)
        os.kill(guard, signal.SIGKILL)
        process.kill()
        process.wait()
        orphan = running.postmaster((kept / "data").resolve())
        assert orphan is not None
        with postgres.start(kept) as server:
            assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
            assert word in remembered(server)


def test_killed_server_recovers(kept: Path) -> None:
    with postgres.start(kept) as server:
        word = remember(server.url("postgres"))
        own = running.postmaster(server.postgres.data)
        assert own is not None
        own.kill()
        server.guard.wait()
    with postgres.start(kept) as server:
        assert word in remembered(server)


def test_pid_file_with_a_strangers_pid_is_neither_obeyed_nor_signalled(kept: Path) -> None:
    with postgres.start(kept) as server:
        data = server.postgres.data
        text = (data / "postmaster.pid").read_text()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        first, rest = text.split("\n", 1)
        assert first.isdigit()
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{rest}")
        with postgres.start(kept):
            assert stranger.poll() is None
        assert stranger.poll() is None
        stranger.kill()


def test_folder_in_use_is_refused_naming_who_uses_it(kept: Path) -> None:
    with postgres.start(kept) as server:
        with pytest.raises(Misconfigured, match=f"in use by process {os.getpid()}"):
            postgres.start(kept)
        with psycopg.connect(server.url("postgres")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_is_broken_is_said_in_one_line(folder: Path) -> None:
    with postgres.start(folder) as server:
        data = server.postgres.data
    (data / "PG_VERSION").write_text("18\n")
    with pytest.raises(Misconfigured, match=r"made by PostgreSQL 18, not 16"):
        postgres.start(folder)
    (data / "PG_VERSION").write_text("16\n")
    (data / "global" / "pg_control").write_bytes(b"broken")
    with pytest.raises(Misconfigured, match=r"pg_control.*\(log: ") as refused:
        postgres.start(folder)
    assert "\n" not in str(refused.value)
    (data / "PG_VERSION").unlink()
    with pytest.raises(Misconfigured, match=r"PG_VERSION is missing"):
        postgres.start(folder)
    assert not running.servers(data)


def test_lost_password_is_said(kept: Path) -> None:
    hidden = (kept / "password").rename(kept / "hidden")
    with pytest.raises(Misconfigured, match=r"password is gone; restore it, or move .* away"):
        postgres.start(kept)
    hidden.rename(kept / "password")


def test_link_to_nowhere_is_said(folder: Path) -> None:
    folder.mkdir()
    (folder / "data").symlink_to(folder / "gone")
    with pytest.raises(Misconfigured, match=r"is gone; restore it, or remove"):
        postgres.start(folder)


def test_port_in_use_is_said_or_another_taken(kept: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"port {port} is in use"):
            postgres.start(kept, port=port)
        (kept / "port").write_text(str(port))
        with postgres.start(kept) as server:
            assert server.postgres.port != port


def test_full_disk_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(Misconfigured, match=r"has 0 MB left, 300 MB are needed"):
        postgres.start(folder, durable=False)


def test_unknown_major_is_said(folder: Path) -> None:
    with pytest.raises(Misconfigured, match=r"no PostgreSQL 9 here"):
        postgres.start(folder, major=9)


def test_removed_folder_begins_anew_and_keeps_what_was_there_once(folder: Path, as_root: None) -> None:
    data = postgres.prepare(folder).data
    (data / "mark").touch()
    shutil.rmtree(folder)
    aside = data.with_name(f"{data.name}.forgotten")
    try:
        assert postgres.prepare(folder).data == data
        assert not (data / "mark").exists()
        assert (aside / "mark").exists()
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def test_closed_parents_stay_closed_and_programs_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_root: None
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    root = closed / binaries.PACKAGE / "pginstall"
    for path in (installed := binaries.installed()), installed.parent.parent / f"{binaries.PACKAGE}.libs":
        shutil.copytree(path, closed / path.relative_to(installed.parent.parent), ignore=shutil.ignore_patterns("*.a"))
    shared = Path(tempfile.mkdtemp(dir="/var/tmp"))
    shared.chmod(0o755)
    monkeypatch.setattr(binaries, "installed", lambda _: root)
    monkeypatch.setattr(binaries, "SHARED", shared)
    before = {path: path.stat().st_mode for path in [closed, root, *closed.parents]}
    try:
        with postgres.start(closed / "pg", durable=False) as server:
            assert server.postgres.programs.is_relative_to(shared)
            inode = server.postgres.programs.stat().st_ino
        assert binaries.usable(16, Account(65534, 65534)).stat().st_ino == inode
    finally:
        shutil.rmtree(shared)
    assert before == {path: path.stat().st_mode for path in before}


def test_folder_open_to_others_to_write_is_not_trusted(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, as_root: None
) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setattr(binaries, "SHARED", tmp_path)
    with pytest.raises(Misconfigured, match=r"must belong to root"):
        postgres.start(folder)


def test_server_of_root_runs_as_nobody(kept: Path, as_root: None) -> None:
    with postgres.start(kept) as server:
        own = running.postmaster(server.postgres.data)
        assert own is not None
        assert set(own.uids()) == set(own.gids()) == {65534}


@pytest.fixture
def open_python() -> str:
    """Return a Python that every user may run; the one that runs the tests may be in a folder of root's."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for candidate in filter(None, (sys.executable, shutil.which(name, path="/usr/bin:/usr/local/bin"))):
        with suppress(PermissionError):
            subprocess.run([candidate, "-c", ""], user=12345, cwd="/", check=True, capture_output=True)
            return candidate
    pytest.skip(f"no {name} here that other users may run")


def as_user(uid: int, python: str, script: str) -> "subprocess.CompletedProcess[str]":
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        os.chown(home, uid, uid)
        paths = [str(Path(__file__).parents[2]), *(path for path in sys.path if path.endswith("site-packages"))]
        return subprocess.run(
            [python, "-c", script, home],
            user=uid,
            group=uid,
            extra_groups=[],
            cwd=home,
            env={"HOME": home, "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
        )


NORMAL = """
import os, pathlib, sys, psycopg
from app.local import postgres, running
folder = pathlib.Path(sys.argv[1]) / "pg"
with postgres.start(folder) as server:
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("CREATE TABLE kept ()")
    assert not (folder / "data").is_symlink()
    assert running.postmaster(server.postgres.data).uids()[0] == os.getuid() != 0
with postgres.start(folder) as server, psycopg.connect(server.url("postgres")) as connection:
    print(connection.execute("SELECT to_regclass('kept')").fetchone()[0])
"""


def test_normal_user_runs_it_as_himself(open_python: str, as_root: None) -> None:
    someone = next(user.pw_uid for user in pwd.getpwall() if user.pw_uid not in (0, 65534))
    done = as_user(someone, open_python, NORMAL)
    assert done.stdout.strip() == "kept", done.stderr


def test_user_without_a_passwd_entry_is_told(open_python: str, as_root: None) -> None:
    nobody_knows = 12345
    done = as_user(nobody_knows, open_python, NORMAL)
    assert "no entry in /etc/passwd" in done.stderr.splitlines()[-1]
