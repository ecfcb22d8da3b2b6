"""Tests of `rewards up` as a user runs it: start, port in use, Ctrl-C, kill, restart."""

import errno
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from app.errors import Misconfigured
from app.local import aws, doctor, postgres, preflight, state
from tests.conftest import Until

# The runtime alone is under test: an API that is always ready, workers that wait, a schema that is only its roles.
STAND_INS = """
import sys, types

async def api(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})

def roles(url):
    import psycopg

    from app.logins import ROLES

    with psycopg.connect(url, autocommit=True) as connection:
        for role in ROLES:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(f"CREATE ROLE {role}")

for name, members in {
    "app.main": {"create_app": lambda: api},
    "app.local.workers": {"run": lambda name, stop: stop.wait()},
    "app.migrations": {"upgrade": roles, "current": lambda url: "1", "head": lambda: "1"},
}.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)
"""

UP = """
import os, pathlib, sys
from app.errors import Misconfigured
from app.local import stack
try:
    load = lambda: print("loaded", os.environ["REWARDS_STREAM_NAME"])
    stack.up(pathlib.Path(sys.argv[1]), int(sys.argv[2]), load=load)
except Misconfigured as refused:
    sys.exit(str(refused))
"""


@dataclass
class Machine:
    """A folder and a port for `rewards up`, and Python modules that replace the parts not under test."""

    folder: Path
    port: int
    modules: Path

    @contextmanager
    def up(self) -> Iterator["subprocess.Popen[str]"]:
        """Run `rewards up` as a separate process, yield the process, and kill it at the end."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REWARDS_"))}
        environment.pop("DATABASE_URL", None)
        with subprocess.Popen(
            [sys.executable, "-u", "-c", UP, str(self.folder), str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment, "PYTHONPATH": str(self.modules)},
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def pids(self) -> dict[str, int]:
        platform = state.read(self.folder)
        return platform.processes if platform else {}

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(pid) for pid in self.pids().values() if psutil.pid_exists(pid)]


@pytest.fixture
def machine(tmp_path: Path, until: Until) -> Iterator[Machine]:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(STAND_INS)
    machine = Machine(tmp_path / ".rewards", preflight.free_port(), modules)
    yield machine
    left = machine.processes()
    until(lambda: not any(alive(process) for process in left))
    postgres.remove(machine.folder / "postgres")


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until_it_says(process: "subprocess.Popen[str]", wanted: str) -> str:
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if wanted in line:
            return output
    raise AssertionError(f"it ended without {wanted!r}: {output}")


@pytest.mark.slow
def test_up_then_killed_then_up_again_then_ctrl_c(machine: Machine, until: Until) -> None:
    with machine.up() as process:
        output = until_it_says(process, "Ctrl-C")
        _introduces_itself(machine, output)
        _other_terminals_find_it(machine)
        _second_up_is_refused(machine)
        _dead_parts_come_back_with_what_they_held(machine, until)
        orphans = machine.processes()
        process.kill()
    with machine.up() as process:
        until_it_says(process, "Ctrl-C")
        assert not any(alive(child) for child in orphans)
        children = machine.processes()
        assert len(children) == 6
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 0
        assert not any(alive(child) for child in children)
    _stopped_platform_is_said(machine)


def _introduces_itself(machine: Machine, output: str) -> None:
    assert f"http://127.0.0.1:{machine.port}/docs" in output
    assert "loaded rewards-journal" in output
    assert re.search(r"PostgreSQL, Kinesis and S3\s*│\s+\d+\.\d", output)
    with urllib.request.urlopen(f"http://127.0.0.1:{machine.port}/anything") as answer:
        assert answer.status == 200


def _other_terminals_find_it(machine: Machine) -> None:
    environment = state.environment(machine.folder)
    assert json.loads(environment["REWARDS_ISSUERS"])[0]["jwks_url"].startswith("file:///")
    assert aws.missing(environment) is None
    for path in (
        "state.json",
        "keys/signing.pem",
        "keys/people.pem",
        "keys/jwks.json",
        "postgres/password",
        "log/api.log",
    ):
        assert stat.S_IMODE((machine.folder / path).stat().st_mode) == 0o600, path
    checks = {check.name: check for check in doctor.checks(machine.folder)}
    assert {"postgres", "moto", "api", "sealer", "stream", "scheduler", "database", "API"} <= set(checks)
    assert [check for check in checks.values() if not check.ok and check.name != "schema"] == []


def _second_up_is_refused(machine: Machine) -> None:
    with machine.up() as process:
        assert process.stdout
        output = process.stdout.read()
        assert process.wait() == 1
    assert "the platform already runs in" in output
    assert output.count("\n") == 1


def _dead_parts_come_back_with_what_they_held(machine: Machine, until: Until) -> None:
    environment = state.environment(machine.folder)
    before, killed = machine.pids(), ("moto", "postgres", "scheduler")
    for name in killed:
        os.kill(before[name], signal.SIGKILL)
    until(lambda: all(machine.pids()[name] != before[name] for name in killed))
    until(lambda: aws.answers(environment["AWS_ENDPOINT_URL"]) and aws.missing(environment) is None)
    until(lambda: accepts(environment["REWARDS_DATABASE_URL"]))


def accepts(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _stopped_platform_is_said(machine: Machine) -> None:
    with pytest.raises(Misconfigured, match="nothing is running here"):
        state.environment(machine.folder)
    (platform,) = [check for check in doctor.checks(machine.folder) if check.name == "platform"]
    assert (platform.ok, platform.says, platform.mend) == (False, "it is stopped", "make up")


def test_a_port_in_use_is_named_with_what_to_type(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=rf"port {port} is in use: make up PORT=\d+"):
            preflight.check(tmp_path, port)


def test_an_ordinary_user_is_told_that_a_low_port_is_roots(as_root: None) -> None:
    ask = "import os; from app.local.preflight import port_trouble; os.setuid(65534); print(port_trouble(80))"
    answer = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert answer.stdout == "port 80 is only root's to listen on, as low ones are\n"


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EADDRINUSE, "port 80 is in use"),
        (errno.EACCES, "port 80 is only root's"),
        (errno.EADDRNOTAVAIL, r"port 80 can't be listened on \(Cannot assign"),
    ],
)
def test_each_refusal_of_a_port_has_its_own_reason(monkeypatch: pytest.MonkeyPatch, number: int, says: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert re.match(says, preflight.port_trouble(80) or "")


def test_what_is_proposed_instead_of_a_port_can_be_had() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        before = taken.getsockname()[1] - 1
        assert preflight.port_trouble(preflight._port_beside(before)) is None
    assert preflight.port_trouble(preflight._port_beside(65_535)) is None


def test_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="can't be made"):
        preflight.make_folder(tmp_path / "file" / ".rewards")


def test_folder_of_another_user_is_said(tmp_path: Path, as_root: None) -> None:
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(Misconfigured, match="belongs to user 12345"):
        preflight.make_folder(tmp_path)


def test_nearly_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "NEEDED_BYTES", 2**62)
    with pytest.raises(Misconfigured, match="make room"):
        preflight.check(tmp_path, preflight.free_port())


def test_doctor_before_the_first_up_says_what_to_do(tmp_path: Path) -> None:
    checks = doctor.checks(tmp_path / ".rewards")
    assert [check.name for check in checks if not check.ok] == ["platform"]
    assert not (tmp_path / ".rewards").exists()


def test_broken_state_is_said(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(Misconfigured, match="can't be read; remove it"):
        state.environment(tmp_path)
    assert not doctor.checks(tmp_path)[-1].ok
