"""Simulates CodeBuild for an environment's runner on moto: runs a build's commands in a clean folder, as its role."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

import pytest
import yaml
from moto.codebuild.models import CodeBuildBackend
from moto.codebuild.responses import CodeBuildResponse

from tests.engine import judged_roles

_LINES_A_CALL = 1_000


class Runner:
    """An environment's runner: its CodeBuild project in moto, and its builds, each a thread of this process."""

    def __init__(
        self, environment: str, folder: Path, variables: Mapping[str, str], make: str, judge: judged_roles.Judge
    ) -> None:
        self.name, self._environment, self._make = f"delivery-{environment}-runner", environment, make
        self._folder, self._variables, self._judge, self._cloud = folder, variables, judge, judge.cloud
        self._group = f"/aws/codebuild/{self.name}"
        self._running: dict[str, Thread] = {}
        self._statuses: dict[str, str] = {}

    def open(self) -> None:
        self._cloud("logs").create_log_group(logGroupName=self._group)
        self._cloud("codebuild").create_project(
            name=self.name,
            source={"type": "S3", "location": "overridden/by-each-build"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
            serviceRole=f"arn:aws:iam::123456789012:role/{self.name}",
        )

    def close(self) -> None:
        """Delete the project and its log group from moto, so that other tests in this process can create them again."""
        self._cloud("codebuild").delete_project(name=self.name)
        self._cloud("logs").delete_log_group(logGroupName=self._group)

    def start(self, id_: str, request: Mapping[str, Any]) -> None:
        self._statuses[id_] = "IN_PROGRESS"
        self._running[id_] = Thread(target=self._run, args=(id_, request))
        self._running[id_].start()

    def look(self, id_: str) -> dict[str, Any]:
        stream = id_.partition(":")[2]
        return {
            "id": id_,
            "buildStatus": self._statuses[id_],
            "logs": {"groupName": self._group, "streamName": stream},
        }

    def _run(self, id_: str, request: Mapping[str, Any]) -> None:
        status = "FAULT"
        try:
            checkout = self._unpacked(id_, request)
            ended = subprocess.run(
                ["/bin/sh", "-ec", "\n".join(self._commands(checkout, request))],
                cwd=checkout,
                env=self._environment_of(checkout, request),
                capture_output=True,
                text=True,
                check=False,
            )
            self._log(id_, (ended.stdout + ended.stderr).splitlines())
            status = "FAILED" if ended.returncode else "SUCCEEDED"
        finally:
            self._statuses[id_] = status

    def _unpacked(self, id_: str, request: Mapping[str, Any]) -> Path:
        bucket, _, key = request["sourceLocationOverride"].partition("/")
        source = self._cloud("s3").get_object(Bucket=bucket, Key=key, VersionId=request["sourceVersion"])
        checkout = self._folder / id_.partition(":")[2]
        with zipfile.ZipFile(io.BytesIO(source["Body"].read())) as packed:
            packed.extractall(checkout)
        (checkout / ".venv").symlink_to(sys.prefix)
        return checkout

    def _commands(self, checkout: Path, request: Mapping[str, Any]) -> Iterator[str]:
        """Yield the buildspec's commands, except those that install Pulumi's engine, which is on PATH here."""
        spec = yaml.safe_load((checkout / request["buildspecOverride"]).read_text())
        for phase in ("pre_build", "build"):
            for line in spec["phases"].get(phase, {}).get("commands", ()):
                yield line.replace("make ", f"{self._make} ", 1)

    def _environment_of(self, checkout: Path, request: Mapping[str, Any]) -> dict[str, str]:
        given = {variable["name"]: variable["value"] for variable in request["environmentVariablesOverride"]}
        own = {"ENVIRONMENT": self._environment, "INSIDE_VPC": "true"}
        paths = os.pathsep.join([str(checkout), str(checkout / "platform")])
        return {**self._variables, **own, "PYTHONPATH": paths, **self._judge.assume(self.name), **given}

    def _log(self, id_: str, lines: list[str]) -> None:
        logs, stream = self._cloud("logs"), id_.partition(":")[2]
        logs.create_log_stream(logGroupName=self._group, logStreamName=stream)
        for first in range(0, len(lines), _LINES_A_CALL):
            events = [
                {"timestamp": int(time() * 1000), "message": line or " "}
                for line in lines[first : first + _LINES_A_CALL]
            ]
            logs.put_log_events(logGroupName=self._group, logStreamName=stream, logEvents=events)


@contextmanager
def playing(
    environment: str, folder: Path, variables: Mapping[str, str], make: str, judge: judged_roles.Judge
) -> Iterator[None]:
    """Run the builds that the environment's runner is told to start in moto's CodeBuild, while the `with` block runs.

    Builds run in folders below `folder` with the environment `variables`; `make` is the command line that replaces
    `make`. A build can start once the stand-in providers have made the runner's project. Raises AssertionError at the
    end if a call was refused to the runner's role.
    """
    start = CodeBuildResponse.start_build

    def started(self: CodeBuildResponse) -> Any:
        assert any(urn.endswith("aws:codebuild/project:Project::runner") for urn in judge.world.made)
        answer = start(self)
        build: Any = answer.result
        runner.start(build["build"]["id"], json.loads(self.body))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        runner = Runner(environment, folder, variables, make, judge)
        runner.open()
        patch.setattr(CodeBuildResponse, "start_build", started)
        patch.setattr(CodeBuildBackend, "batch_get_builds", lambda _self, ids: [runner.look(id_) for id_ in ids])
        try:
            yield
        finally:
            runner.close()
        assert not judge.refused
