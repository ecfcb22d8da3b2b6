"""Tests of cleaning up after an update that was killed: its lock and interrupted operations in Pulumi's state."""

import getpass
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipelines import unfinished

LOCKS = ".pulumi/locks/organization/rewards/data.dev"


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.fixture
def zombie() -> Iterator[int]:
    """Yield the id of a process that has ended, and for which its parent has not waited."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    yield ended.pid
    ended.wait()


def lock(**differing: Any) -> dict[str, Any]:
    here = {"pid": dead_pid(), "username": getpass.getuser(), "hostname": socket.gethostname()}
    return {**here, "timestamp": "2026-11-27T01:00:00Z", **differing}


@pytest.fixture
def folder(tmp_path: Path) -> unfinished.Backend:
    state = unfinished.backend(f"file://{tmp_path}")
    assert state
    (tmp_path / LOCKS).mkdir(parents=True)
    return state


def locked(folder: unfinished.Backend, **differing: Any) -> Path:
    assert isinstance(folder, unfinished.Folder)
    file = folder.path / LOCKS / "1.json"
    file.write_text(json.dumps(lock(**differing)))
    return file


def test_the_lock_of_a_process_that_has_ended_here_is_removed(folder: unfinished.Backend) -> None:
    file = locked(folder)
    (line,) = unfinished.unlock(folder, "data.dev")
    assert line.startswith("data.dev: removed the lock of 2026-11-27T01:00:00Z")
    assert not file.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="zombies are told by /proc")
def test_a_zombies_lock_is_removed(folder: unfinished.Backend, zombie: int) -> None:
    file = locked(folder, pid=zombie)
    assert len(list(unfinished.unlock(folder, "data.dev"))) == 1
    assert not file.exists()


@pytest.mark.parametrize(
    "differing",
    [{"pid": os.getpid()}, {"pid": 1}, {"hostname": "another"}, {"username": "another"}],
    ids=["at work", "not ours to ask", "another machine", "another user"],
)
def test_a_lock_whose_owner_may_be_at_work_stays(folder: unfinished.Backend, differing: dict[str, Any]) -> None:
    file = locked(folder, **differing)
    assert list(unfinished.unlock(folder, "data.dev")) == []
    assert file.exists()


def test_another_stacks_lock_stays(folder: unfinished.Backend) -> None:
    file = locked(folder)
    assert list(unfinished.unlock(folder, "data.de")) == []
    assert file.exists()


@pytest.mark.parametrize("folder", ["", "previews/"], ids=["its root", "a folder of it"])
def test_a_bucket_holds_locks_as_a_folder_does(in_the_cloud: None, folder: str) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="rewards-state")
    s3.put_object(Bucket="rewards-state", Key=f"{folder}{LOCKS}/1.json", Body=json.dumps(lock()))
    s3.put_object(Bucket="rewards-state", Key=f"{folder}{LOCKS}/2.json", Body=json.dumps(lock(hostname="another")))
    state = unfinished.backend(f"s3://rewards-state/{folder}?region=us-east-1")
    assert state
    assert len(list(unfinished.unlock(state, "data.dev"))) == 1
    assert [name for name, _ in state.read(LOCKS)] == [f"{LOCKS}/2.json"]


def test_the_home_folder_is_a_backend_as_pulumi_writes_it() -> None:
    assert unfinished.backend("file://~") == unfinished.Folder(Path.home())


def test_a_backend_whose_locks_lie_elsewhere_is_left_alone() -> None:
    assert unfinished.backend("https://api.pulumi.com") is None


def operation(kind: str, name: str, custom: bool = True) -> dict[str, Any]:
    type_ = "aws:kinesis/stream:Stream"
    return {
        "type": kind,
        "resource": {"urn": f"urn:pulumi:data.dev::rewards::{type_}::{name}", "type": type_, "custom": custom},
    }


def test_what_was_being_made_and_is_not_in_the_state_is_listed() -> None:
    operations = [
        operation("creating", "journal"),
        operation("creating", "made-since"),
        operation("updating", "changed"),
        operation("creating", "component", custom=False),
    ]
    deployment = {"resources": [operations[1]["resource"]], "pending_operations": operations}
    assert list(unfinished.interrupted(deployment)) == ["aws:kinesis/stream:Stream journal"]
    assert list(unfinished.interrupted({})) == []
