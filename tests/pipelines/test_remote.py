"""Tests of handing a layer to the runner, on moto; CodeBuild's answers are those that a test sets."""

import io
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.codebuild.models import CodeBuildBackend
from moto.codebuild.responses import CodeBuildResponse

from pipelines import remote
from pipelines.command import Failed, Refused
from pipelines.layer_permissions import PROGRAM_KEY
from pipelines.runner import JOB
from pipelines.target import Target

BUCKET, GROUP = "rewards-prod-state", "/aws/codebuild/delivery-prod-runner"
HERE = ["pulumi", "up", "--stack", "cluster.prod"]
Played = dict[str, Any]


@pytest.fixture
def runner(
    cloud: Callable[[str], Any], in_the_cloud: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Played]:
    """An account with prod's runner; its build succeeds at the third status request, unless the test sets otherwise."""
    played: Played = {"requests": [], "statuses": ["IN_PROGRESS", "IN_PROGRESS", "SUCCEEDED"], "looks": 0}
    s3, logs, codebuild = cloud("s3"), cloud("logs"), cloud("codebuild")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    logs.create_log_group(logGroupName=GROUP)
    codebuild.create_project(
        name="delivery-prod-runner",
        source={"type": "S3", "location": "x/y"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
        serviceRole="arn:aws:iam::123456789012:role/delivery-prod-runner",
    )
    start = CodeBuildResponse.start_build

    def started(self: CodeBuildResponse) -> Any:
        played["requests"].append(json.loads(self.body))
        return start(self)

    def looked(self: CodeBuildBackend, ids: list[str]) -> list[dict[str, Any]]:
        look, statuses = played["looks"], played["statuses"]
        played["looks"] += 1
        if look == 0:
            return [{"id": ids[0], "buildStatus": statuses[0], "logs": {}}]
        if look == 1:
            logs.create_log_stream(logGroupName=GROUP, logStreamName=ids[0])
        line = {"timestamp": int(time.time() * 1000), "message": f"line {look}\n"}
        logs.put_log_events(logGroupName=GROUP, logStreamName=ids[0], logEvents=[line])
        where = {"groupName": GROUP, "streamName": ids[0]}
        return [{"id": ids[0], "buildStatus": statuses[min(look, len(statuses) - 1)], "logs": where}]

    monkeypatch.setattr(CodeBuildResponse, "start_build", started)
    monkeypatch.setattr(CodeBuildBackend, "batch_get_builds", looked)
    monkeypatch.setattr(remote, "_PAUSE_S", 0)
    monkeypatch.setattr(remote, "program", lambda: b"zip")
    monkeypatch.setattr(os, "execvp", lambda _file, words: played.update(here=words))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"s3://{BUCKET}?region=us-east-1")
    monkeypatch.delenv("INSIDE_VPC", raising=False)
    yield played
    codebuild.delete_project(name="delivery-prod-runner")
    logs.delete_log_group(logGroupName=GROUP)
    for version in s3.list_object_versions(Bucket=BUCKET).get("Versions", []):
        s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)


def handed(target: str = "deploy", layer: str = "cluster", flags: str = "--yes") -> int:
    ended = remote.main([target, "prod", layer, flags, *HERE])
    assert isinstance(ended, int)
    return ended


def test_the_runner_is_given_the_program_and_its_log_is_followed(
    runner: Played, cloud: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert handed(flags="--yes --config rewards:zones=x") == 0
    assert "here" not in runner
    (request,) = runner["requests"]
    version = cloud("s3").head_object(Bucket=BUCKET, Key=PROGRAM_KEY)["VersionId"]
    place = {"sourceTypeOverride": "S3", "sourceLocationOverride": f"{BUCKET}/{PROGRAM_KEY}", "sourceVersion": version}
    assert place.items() <= request.items()
    assert request["projectName"] == Target(environment="prod", account="1", region="us-east-1").build(JOB)
    assert request["buildspecOverride"] == "pipelines/buildspecs/up.yaml"
    assert {variable["name"]: variable["value"] for variable in request["environmentVariablesOverride"]} == {
        "LAYERS": "cluster",
        "FLAGS": "--skip-preview --yes --config rewards:zones=x",
        "PULUMI_BACKEND_URL": f"s3://{BUCKET}?region=us-east-1",
    }
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("# cluster of prod is for its runner: delivery-prod-runner:")
    assert printed[1:] == ["line 1", "line 2"]


@pytest.mark.parametrize(
    ("target", "layer", "inside", "ranges"),
    [("deploy", "base", "", "[]"), ("destroy", "apps", "true", "[]"), ("diff", "apps", "", "[198.51.100.0/24]")],
)
def test_what_can_be_reached_from_here_is_done_here(
    runner: Played, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str, layer: str, inside: str, ranges: str
) -> None:
    settings = tmp_path / "stacks" / "config" / "Pulumi.cluster.prod.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"config:\n  rewards:clusterPublicRanges: {ranges}\n")
    monkeypatch.chdir(tmp_path)
    if inside:
        monkeypatch.setenv("INSIDE_VPC", inside)

    def replaced(_file: str, words: list[str]) -> None:  # as execvp, it does not return
        runner["here"] = words
        raise Refused("")

    monkeypatch.setattr(os, "execvp", replaced)
    handed(target, layer)
    assert runner["here"] == HERE
    assert not runner["requests"]


@pytest.mark.parametrize("status", ["FAILED", "STOPPED", "TIMED_OUT", "FAULT"])
def test_a_build_that_fails_is_exit_code_1(runner: Played, status: str, capsys: pytest.CaptureFixture[str]) -> None:
    runner["statuses"] = ["IN_PROGRESS", status]
    assert handed() == 1
    assert f"ended as {status}" in capsys.readouterr().err


@pytest.mark.parametrize("stopped", [KeyboardInterrupt(), ClientError({"Error": {"Code": "ExpiredToken"}}, "GetLogs")])
def test_where_following_stops_it_says_how_to_go_on(runner: Played, stopped: BaseException) -> None:
    def pause(_seconds: float) -> None:
        raise stopped

    id_ = remote.start(boto3.Session(), remote.Task("deploy", "prod", "apps", "--yes"))
    with pytest.raises(Failed, match=f"the build goes on: make follow BUILD={id_}"):
        remote.follow(boto3.Session(), id_, pause)
    runner["looks"] = 0
    assert remote.main(["follow", id_]) == 0


@pytest.mark.parametrize(
    ("variables", "arguments", "message"),
    [
        ({"PULUMI_BACKEND_URL": "file:///tmp/x"}, ["deploy", "prod", "apps", "--yes", *HERE], "make bootstrap"),
        ({}, ["deploy", "staging", "apps", "--yes", *HERE], "make deploy ENV=staging LAYERS=base"),
        ({}, ["deploy", "prod", "apps", "", *HERE], "FLAGS=--yes"),
        ({}, ["refresh", "prod", "apps", "", *HERE], "name a target"),
        ({}, ["deploy", "prod"], "name a target"),
        ({"PULUMI_BACKEND_URL": "s3://nobodys"}, ["destroy", "prod", "apps", "--yes", *HERE], "NoSuchBucket"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(
    runner: Played,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    arguments: list[str],
    message: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert remote.main(arguments) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not runner["looks"]


@pytest.mark.parametrize(
    ("backend", "inside", "layers", "status"),
    [
        ("file:///tmp/x", "", ["base", "data", "cluster"], 2),
        ("", "", ["apps"], 2),
        ("file:///tmp/x", "", ["base", "data", "delivery"], 0),
        ("file:///tmp/x", "true", ["base", "cluster"], 0),
        (f"s3://{BUCKET}?region=us-east-1", "", ["base", "cluster"], 0),
    ],
)
def test_state_that_the_runner_does_not_reach_is_refused_before_the_first_layer(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    backend: str,
    inside: str,
    layers: list[str],
    status: int,
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend)
    monkeypatch.delenv("INSIDE_VPC", raising=False)
    if inside:
        monkeypatch.setenv("INSIDE_VPC", inside)
    assert (remote.main(["check", "prod", *layers]) or 0) == status
    assert capsys.readouterr().err.count("\n") == (1 if status else 0)


@pytest.mark.parametrize("target", ["diff", "deploy", "destroy"])
def test_make_asks_for_the_state_before_it_begins_a_layer(target: str, tmp_path: Path) -> None:
    engine = tmp_path / "pulumi"
    engine.write_text(f"#!/bin/sh\necho $@ >> {tmp_path}/calls\n")
    engine.chmod(0o755)
    kept = [f"--old-file=.venv/{stamp}" for stamp in (".uv", ".local", ".all")]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "INSIDE_VPC"))}
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["make", *kept, target, "ENV=prod", "CONFIRM=destroy-prod", "FLAGS=--yes"],
        cwd=Path(__file__).parents[2],
        env={**variables, "PATH": path, "PULUMI_BACKEND_URL": "file:///tmp/x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "Kubernetes' API of prod is private" in ended.stderr
    assert not (tmp_path / "calls").exists()


def test_a_build_that_nobody_started_is_bad_input(runner: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CodeBuildBackend, "batch_get_builds", lambda _self, _ids: [])
    assert remote.main(["follow", "delivery-prod-runner:x"]) == 2


def test_a_difference_asks_nothing_and_passes_no_consent(runner: Played) -> None:
    assert handed("diff", "apps", "") == 0
    (request,) = runner["requests"]
    assert {"name": "FLAGS", "value": "", "type": "PLAINTEXT"} in request["environmentVariablesOverride"]
    assert request["buildspecOverride"] == "pipelines/buildspecs/diff.yaml"


def test_the_program_is_what_a_deployment_from_here_would_use(tmp_path: Path) -> None:
    root = tmp_path / "clone"
    (root / "stacks" / "config").mkdir(parents=True)
    for name, text in {"Makefile": "committed", ".gitignore": "secret\n", "stacks/config/a.yaml": "old"}.items():
        (root / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    (root / "stacks/config/a.yaml").write_text("changed")
    (root / "stacks/config/b.yaml").write_text("new")
    (root / "secret").write_text("x")
    (root / "Makefile").unlink()
    with zipfile.ZipFile(io.BytesIO(remote.program(root))) as packed:
        files = {name: packed.read(name).decode() for name in packed.namelist()}
    assert files == {".gitignore": "secret\n", "stacks/config/a.yaml": "changed", "stacks/config/b.yaml": "new"}
    with pytest.raises(Refused, match="in a clone of the repository"):
        remote.program(tmp_path / "nowhere")


@pytest.mark.parametrize(("answer", "status"), [("prod", 0), ("dev", 2), ("", 2), (None, 2)])
def test_the_name_that_is_typed_decides(
    runner: Played,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str | None,
    status: int,
) -> None:
    """An answer of None simulates Ctrl-D."""

    def typed(question: str) -> str:
        assert "Type prod" in question
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", typed)
    assert handed(flags="") == status
    assert bool(runner["requests"]) == (status == 0)
    assert capsys.readouterr().err.count("\n") == (status == 2)


def test_the_runner_is_not_handed_what_git_does_not_track_but_settings(tmp_path: Path) -> None:
    for name in ("app/x.py", ".env", "stacks/config/Pulumi.base.qa.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    for words in (("init", "-q"), ("add", "app")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    with zipfile.ZipFile(io.BytesIO(remote.program(tmp_path))) as packed:
        assert packed.namelist() == ["app/x.py", "stacks/config/Pulumi.base.qa.yaml"]
