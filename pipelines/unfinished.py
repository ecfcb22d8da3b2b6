"""Cleans up a stack whose last update was killed, before the next one: `python -m pipelines.unfinished data.dev`.

Removes the lock of a process that no longer runs on this machine. Any other lock stays, because its owner may still be
at work: Pulumi refuses the update and names the owner. Resources whose creation was interrupted are listed once, since
AWS may have them although the state has not. Needs Pulumi on PATH, logged in. Exit code 1: the state can't be read.
"""

import getpass
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import boto3

from pipelines.command import Failed, command

_LOCKS = ".pulumi/locks/organization/rewards"
_WARNING = """\
warning: {stack}: an earlier update was killed while it made these resources, and may or may not have made them. The
next update makes them again. What AWS then refuses because it exists is taken in by `pulumi import TYPE NAME ID
--stack {stack}`; of what has no name of its own AWS may have two: delete the older.
  """.rstrip()


class Backend(Protocol):
    """Where Pulumi keeps state: a folder or a bucket."""

    def read(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yields name and text of each file below a prefix."""

    def remove(self, name: str) -> None: ...


@dataclass(frozen=True)
class Folder:
    path: Path

    def read(self, prefix: str) -> Iterator[tuple[str, str]]:
        for file in sorted((self.path / prefix).glob("*.json")):
            yield str(file.relative_to(self.path)), file.read_text()

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class Bucket:
    """A bucket, or the folder of it whose name is `folder`, which ends in a slash."""

    s3: Any
    name: str
    folder: str = ""

    def read(self, prefix: str) -> Iterator[tuple[str, str]]:
        for entry in self.s3.list_objects_v2(Bucket=self.name, Prefix=f"{self.folder}{prefix}/").get("Contents", []):
            text = self.s3.get_object(Bucket=self.name, Key=entry["Key"])["Body"].read().decode()
            yield entry["Key"].removeprefix(self.folder), text

    def remove(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=f"{self.folder}{name}")


def backend(url: str) -> Backend | None:
    """Returns the backend at a URL as Pulumi prints it; None unless it is a folder or a bucket."""
    parts = urlsplit(url)
    match parts.scheme:
        case "file":
            return Folder(Path(unquote(parts.netloc + parts.path)).expanduser())  # file://~ is the home
        case "s3":
            region, folder = parse_qs(parts.query).get("region", [None])[0], parts.path.strip("/")
            return Bucket(boto3.client("s3", region_name=region), parts.netloc, f"{folder}/" if folder else "")
        case _:
            return None


def unlock(state: Backend, stack: str) -> Iterator[str]:
    """Removes the locks of processes that have ended on this machine; yields a sentence for each."""
    for name, lock in _locks(state, stack):
        if _has_ended(lock):
            state.remove(name)
            yield f"{stack}: removed the lock of {lock['timestamp']}: its process {lock['pid']} here has ended"


def _locks(state: Backend, stack: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, json.loads(text)) for name, text in state.read(f"{_LOCKS}/{stack}")]


def _has_ended(lock: Mapping[str, Any]) -> bool:
    if (lock["hostname"], lock["username"]) != (socket.gethostname(), getpass.getuser()):
        return False
    return not _runs(lock["pid"])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 only asks whether the process is there
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path("/proc") / str(pid) / "stat"
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"  # ended, not yet waited for


def interrupted(deployment: Mapping[str, Any]) -> Iterator[str]:
    """Yields type and name of each resource whose creation was interrupted and that is missing in the state."""
    kept = {resource["urn"] for resource in deployment.get("resources") or ()}
    for operation in deployment.get("pending_operations") or ():
        resource = operation["resource"]
        if operation["type"] == "creating" and resource.get("custom") and resource["urn"] not in kept:
            yield f"{resource['type']} {resource['urn'].rsplit('::', 1)[-1]}"


def look(stack: str, variables: Mapping[str, str] = MappingProxyType({})) -> None:
    """Removes a stack's stale locks and pending operations; prints which resources' creation was interrupted.

    Pulumi runs with these environment variables, added to those of this process.
    """
    pulumi = partial(_pulumi, variables)
    state = backend(json.loads(pulumi("whoami", "--json"))["url"])
    if not state:
        return
    for line in unlock(state, stack):
        print(line, flush=True)
    if _locks(state, stack):
        return  # Pulumi refuses, and the operations may be somebody's who is at work
    exported = pulumi("stack", "export", "--stack", stack)
    deployment = json.loads(exported).get("deployment") or {}
    if resources := list(interrupted(deployment)):
        print("\n  ".join([_WARNING.format(stack=stack), *resources]), file=sys.stderr, flush=True)
    if deployment.get("pending_operations"):
        pulumi("stack", "import", "--stack", stack, stdin=exported)  # which leaves them out


def _pulumi(variables: Mapping[str, str], *arguments: str, stdin: str | None = None) -> str:
    environment = {**os.environ, **variables}
    ended = subprocess.run(  # noqa: S603  our own arguments
        ["pulumi", *arguments],  # noqa: S607  the engine on PATH is meant
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if ended.returncode:
        raise Failed(f"pulumi {' '.join(arguments)}: {ended.stderr.strip()}")
    return ended.stdout


@command
def main(arguments: Sequence[str]) -> None:
    for stack in arguments:
        look(stack)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
