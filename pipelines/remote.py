"""Runs `make deploy`, `diff` or `destroy` for one layer, on this machine or in CodeBuild in the environment's VPC.

`python -m pipelines.remote deploy prod cluster "$FLAGS" pulumi up …` runs the command after the flags, unless the layer
is made through Kubernetes' API and that API is private. Then a build of the runner (pipelines.runner), which is in the
VPC, runs the same make target on the same files, and its log is printed until it ends. `… follow BUILD` prints the log
of a build that runs already. `… check prod base data cluster` checks, before a layer is deployed, that the runner could
deploy those that need it. Exit code 2: refused, with one line; 1: the build failed, or following it stopped.
"""

import io
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from pipelines import bootstrap
from pipelines.command import Failed, Refused, command, git
from pipelines.layer_permissions import IN_KUBERNETES, PROGRAM_KEY

BUILDSPECS = {"deploy": "up", "diff": "diff", "destroy": "down"}
"""The buildspec of each make target that the runner can run."""
_UNASKED = ("--yes", "--skip-preview")
_SETTINGS = ("stacks/config", "policies/config")
_PAUSE_S = 5.0


@dataclass(frozen=True)
class Task:
    """A make target to run for one layer of an environment, with flags for Pulumi."""

    target: str
    environment: str
    layer: str
    flags: str

    @property
    def runner(self) -> str:
        """The name of the CodeBuild project that is the environment's runner; the same as Target.build("runner")."""
        return f"delivery-{self.environment}-runner"

    def variables(self) -> dict[str, str]:
        """Returns the build's environment variables. FLAGS includes `--yes`, except for diff: nobody can answer."""
        words = self.flags.split()
        unasked = [] if self.target == "diff" else [flag for flag in _UNASKED if flag not in words]
        backend = os.environ.get("PULUMI_BACKEND_URL", "")
        return {"LAYERS": self.layer, "FLAGS": " ".join([*unasked, *words]), "PULUMI_BACKEND_URL": backend}


def is_private(environment: str, root: Path = Path()) -> bool:
    """Returns whether Kubernetes' API is reached from the VPC only, according to the cluster layer's settings."""
    file = root / "stacks" / "config" / f"Pulumi.cluster.{environment}.yaml"
    config = (yaml.safe_load(file.read_text()) or {}).get("config", {}) if file.exists() else {}
    return not config.get("rewards:clusterPublicRanges")


def program(root: Path = Path()) -> bytes:
    """Returns a zip of the files that git tracks, with uncommitted changes, and of settings that are still untracked.

    Other untracked files, such as a `.env`, may be private and are left out.
    """
    try:
        names = git("ls-files", "-z", root=root).split("\0")
        names += git("ls-files", "-z", "--others", "--exclude-standard", *_SETTINGS, root=root).split("\0")
    except (OSError, subprocess.CalledProcessError) as failed:
        raise Refused("the runner is handed what git lists: call this in a clone of the repository") from failed
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(filter(None, names)):
            if (root / name).is_file():
                archive.write(root / name, name)
    return packed.getvalue()


def state_bucket(environment: str) -> str:
    """Returns the bucket with Pulumi's state. Raises Refused if the state is elsewhere, where no runner reaches it."""
    backend = urlsplit(os.environ.get("PULUMI_BACKEND_URL", ""))
    if backend.scheme != "s3":
        raise Refused(
            f"Kubernetes' API of {environment} is private, and its runner reaches Pulumi's state in S3 alone: set"
            ' PULUMI_BACKEND_URL as make bootstrap printed it, or leave these layers out: LAYERS="base data"'
        )
    return backend.netloc


def start(session: boto3.Session, task: Task) -> str:
    """Hands the program to the runner and starts its build; returns the build's id. Raises Refused if it can't."""
    bucket = state_bucket(task.environment)
    try:
        version = session.client("s3").put_object(Bucket=bucket, Key=PROGRAM_KEY, Body=program())["VersionId"]
        build = session.client("codebuild").start_build(
            projectName=task.runner,
            sourceTypeOverride="S3",
            sourceLocationOverride=f"{bucket}/{PROGRAM_KEY}",
            sourceVersion=version,
            artifactsOverride={"type": "NO_ARTIFACTS"},
            buildspecOverride=f"pipelines/buildspecs/{BUILDSPECS[task.target]}.yaml",
            environmentVariablesOverride=[
                {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in task.variables().items()
            ],
        )
    except (BotoCoreError, ClientError) as failed:
        if isinstance(failed, ClientError) and failed.response["Error"]["Code"] == "ResourceNotFoundException":
            bring = f"make deploy ENV={task.environment} LAYERS=base"
            raise Refused(f"{task.environment} has no runner, or another account is logged in: {bring}") from failed
        raise Refused(str(failed)) from failed
    id_: str = build["build"]["id"]
    return id_


def follow(session: boto3.Session, id_: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Prints a build's log until the build ends. Raises Failed if the build does not succeed, or following stops."""
    try:
        ended = _followed(session, id_, pause)
    except (BotoCoreError, ClientError, KeyboardInterrupt) as stopped:
        why = str(stopped) or "interrupted"
        raise Failed(f"following stopped ({why}), the build goes on: make follow BUILD={id_}") from stopped
    if ended["buildStatus"] != "SUCCEEDED":
        raise Failed(f"the build {id_} ended as {ended['buildStatus']}; mend what its log says and call this again")


def _followed(session: boto3.Session, id_: str, pause: Callable[[float], None]) -> Mapping[str, Any]:
    codebuild, logs, token = session.client("codebuild"), session.client("logs"), None
    while True:
        builds: list[Mapping[str, Any]] = codebuild.batch_get_builds(ids=[id_])["builds"]
        if not builds:
            raise Refused(f"there is no build {id_}")
        has_ended = builds[0]["buildStatus"] != "IN_PROGRESS"
        pause(_PAUSE_S)  # after the end too: CloudWatch receives the last lines late
        token = _print_new(logs, builds[0].get("logs", {}), token)
        if has_ended:
            return builds[0]


def _print_new(logs: Any, place: Mapping[str, Any], token: str | None) -> str | None:
    """Prints the log's lines after the position `token` (None: all), and returns the token of the new position."""
    if not place.get("groupName") or not place.get("streamName"):
        return token
    stream = {"logGroupName": place["groupName"], "logStreamName": place["streamName"], "startFromHead": True}
    while True:
        try:
            page = logs.get_log_events(**stream, **({"nextToken": token} if token else {}))
        except logs.exceptions.ResourceNotFoundException:
            return token  # CodeBuild makes the stream with its first line
        for event in page["events"]:
            print(event["message"].rstrip("\n"), flush=True)
        if page["nextForwardToken"] == token:
            return token
        token = page["nextForwardToken"]


def confirm(task: Task) -> None:
    """Asks the user to type the environment's name, except for `diff` or with --yes.

    Raises Refused for another answer, for none, and if there is no terminal to ask on.
    """
    if task.target == "diff" or "--yes" in task.flags.split():
        return
    about = f"The runner can't ask, nor show what would change: make diff ENV={task.environment} does.\n"
    about += f"{task.target} {task.layer} of {task.environment}? Type {task.environment}: "
    try:
        answer = input(about) if sys.stdin.isatty() else ""
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer != task.environment:
        raise Refused(f"{task.layer} of {task.environment} was not confirmed; without a question: FLAGS=--yes")


def _session(environment: str) -> boto3.Session:
    return boto3.Session(region_name=bootstrap.settings(environment)["aws:region"])  # boto3 reads no AWS_REGION


def _is_for_runner(environment: str, layer: str) -> bool:
    return layer in IN_KUBERNETES and "INSIDE_VPC" not in os.environ and is_private(environment)


@command
def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["check", environment, *layers]:
            if any(_is_for_runner(environment, layer) for layer in layers):
                state_bucket(environment)
        case ["follow", id_]:
            follow(_session(re.sub(r"^delivery-(.*)-runner:.*", r"\1", id_)), id_)
        case [target, environment, layer, flags, *here] if target in BUILDSPECS and here:
            task = Task(target, environment, layer, flags)
            if not _is_for_runner(environment, layer):
                os.execvp(here[0], here)  # noqa: S606  the Makefile's own words
            confirm(task)
            session = _session(environment)
            id_ = start(session, task)
            print(f"# {layer} of {environment} is for its runner: {id_}", flush=True)
            follow(session, id_)
        case _:
            raise Refused("name a target, an environment, a layer, flags and a command; or: follow BUILD")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
