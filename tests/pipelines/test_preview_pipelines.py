"""Tests of commands that begin, end and expire a preview's stack, on a fake engine that records its commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import NoCredentialsError

from pipelines import preview, pull_request, unfinished
from pipelines.command import Refused

DIGEST = "sha256:" + "c" * 64
ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 24)
PULUMI = f"""#!{sys.executable}
import json, os, sys
book = json.load(open(os.environ["STACKS_FILE"]))
command = [word for word in sys.argv[1:] if word != "--non-interactive"]
book["commands"].append(command)
book["backends"].append(os.environ.get("PULUMI_BACKEND_URL"))
json.dump(book, open(os.environ["STACKS_FILE"], "w"))
match command:
    case ["version"]:
        print("v{version("pulumi")}")
    case ["whoami", "--json"]:
        print(json.dumps({{"user": "ann", "url": os.environ.get("PULUMI_BACKEND_URL", "file:///nowhere")}}))
    case ["stack", "export", *_]:
        print(json.dumps({{"version": 3, "deployment": {{}}}}))
    case ["stack", "ls", *_]:
        print(json.dumps([{{"name": "organization/rewards/" + name, "current": False}} for name in book["stacks"]]))
    case ["stack", "output", *_, name]:
        print(json.dumps(book["stacks"].get(name, {{"address": "https://pr.example"}})))
    case ["stack", "select", *_, name] if name not in book["stacks"]:
        sys.exit(f"error: no stack named '{{name}}' found")
    case ["stack", "history", *_]:
        times = dict.fromkeys(["startTime", "endTime"], "2026-11-24T00:00:00.000Z")
        update = {{"kind": "update", "message": "", "environment": {{}}, "config": {{}}, "result": "succeeded"}}
        print(json.dumps([{{**update, **times, "version": 1}}]))
locked = command[0] == "destroy" and command[-1] in book["locked"]
sys.exit(3 if locked or command[0] == book["fails"] else 0)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stacks" / "config").mkdir(parents=True)
    shared = (ROOT / "stacks" / "config" / "preview.yaml").read_text()
    (tmp_path / "stacks" / "config" / "preview.yaml").write_text(shared)
    program = tmp_path / "pulumi"
    program.write_text(PULUMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    stacks = {
        "base.dev": {},
        "apps.pr-5": {"expires": "2026-11-23"},
        "apps.pr-6": {"expires": "2026-11-24"},
        "apps.pr-8": {},
        "apps.dev": {},
    }
    book = tmp_path / "stacks.json"
    book.write_text(json.dumps({"stacks": stacks, "commands": [], "fails": "", "locked": [], "backends": []}))
    monkeypatch.setenv("STACKS_FILE", str(book))
    return book


@pytest.fixture(autouse=True)
def cost(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, float]], None]:
    """Return a function that sets the cost of each preview, in USD, that a fake Cost Explorer reports."""
    usd: dict[str, float] = {}

    class Explorer:
        def get_cost_and_usage(self, Filter: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803  boto3's own
            (name,) = Filter["Tags"]["Values"]
            months = [{"Total": {"UnblendedCost": {"Amount": str(usd.get(name, 0) / 2)}}} for _ in range(2)]
            return {"ResultsByTime": months}

    monkeypatch.setattr(boto3, "client", lambda _service, **_: Explorer())
    return usd.update


def calls(engine: Path) -> list[tuple[list[str], str]]:
    """Return the recorded commands, each with the backend that it was called with."""
    book = json.loads(engine.read_text())
    return list(zip(book["commands"], book["backends"], strict=True))


def commands(engine: Path, *beginning: str) -> list[list[str]]:
    """Return the recorded commands that begin with these words."""
    return [call for call, _ in calls(engine) if call[: len(beginning)] == list(beginning)]


def test_a_preview_has_its_image_its_last_day_and_what_all_previews_share(
    engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preview.main(["begin", "123", DIGEST]) == 0
    preview.settings("123", DIGEST, TODAY)
    config = yaml.safe_load((tmp_path / "stacks" / "config" / "Pulumi.apps.pr-123.yaml").read_text())["config"]
    assert config["rewards:imageDigest"] == DIGEST
    assert config["rewards:expires"] == "2026-12-01"
    assert config["rewards:minReplicas"] == 2
    (init,) = commands(engine, "stack", "init")
    assert init[2] == "apps.pr-123"
    (up,) = commands(engine, "up")
    options = dict(pairwise(up))
    assert options["--stack"] == "apps.pr-123"
    assert (ROOT / options["--policy-pack"] / "PulumiPolicy.yaml").exists()
    assert (ROOT / options["--policy-pack-config"]).exists()
    assert {"--yes", "--skip-preview"} <= set(up)
    assert "PREVIEW_ADDRESS=https://pr.example" in capsys.readouterr().out


def test_a_preview_that_is_there_is_destroyed_and_one_that_is_not_is_no_mistake(
    engine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preview.main(["end", "5"]) == 0
    capsys.readouterr()
    assert preview.main(["end", "99"]) == 0
    assert capsys.readouterr().out == "there is no stack apps.pr-99 in file:///nowhere\n"
    assert [call[-1] for call in commands(engine, "destroy")] == ["apps.pr-5"]
    assert [call[-1] for call in commands(engine, "stack", "rm")] == ["apps.pr-5"]


@pytest.mark.parametrize("folder", ["", "/previews"], ids=["a person's", "a build's"])
@pytest.mark.parametrize("arguments", [["begin", "123", DIGEST], ["end", "5"], ["expired"]], ids=lambda words: words[0])
def test_people_and_builds_have_previews_in_the_same_state(
    engine: Path, monkeypatch: pytest.MonkeyPatch, folder: str, arguments: list[str]
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"s3://rewards-state{folder}?region=us-east-1")
    monkeypatch.setattr(unfinished, "backend", lambda _url: None)
    assert preview.main(arguments) == 0
    backends = {backend for call, backend in calls(engine) if call != ["version"]}
    assert backends == {"s3://rewards-state/previews?region=us-east-1"}


def test_only_a_bucket_gets_a_folder_of_previews() -> None:
    assert preview.previews_backend("file:///home/state") == "file:///home/state"


def test_a_preview_that_has_cost_more_than_it_may_is_destroyed(
    engine: Path, cost: Callable[[dict[str, float]], None]
) -> None:
    cost({"pr-6": preview.BUDGET_USD + 0.01})
    assert "apps.pr-6" in preview.expired(TODAY)
    assert "apps.pr-6" in {call[-1] for call in commands(engine, "destroy")}


def test_where_aws_tells_no_costs_days_count_still(
    engine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def client(_service: str, **_: Any) -> Any:
        raise NoCredentialsError

    monkeypatch.setattr(boto3, "client", client)
    assert preview.main(["expired"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert {call[-1] for call in commands(engine, "destroy")} >= {"apps.pr-5", "apps.pr-8"}


def test_without_pulumi_there_is_one_line(
    engine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for arguments in (["begin", "1", DIGEST], ["end", "1"], ["expired"]):
        assert preview.main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "pulumi.com/docs/install" in line


def test_what_has_passed_its_day_or_never_came_up_is_destroyed_and_nothing_else(engine: Path) -> None:
    assert preview.expired(TODAY) == ["apps.pr-5", "apps.pr-8"]
    assert {call[-1] for call in commands(engine, "destroy")} == {"apps.pr-5", "apps.pr-8"}


def test_expiry_goes_on_after_a_preview_that_stays(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = json.loads(engine.read_text())
    engine.write_text(json.dumps({**book, "locked": ["apps.pr-5"]}))
    assert preview.main(["expired"]) == 1
    assert [call[-1] for call in commands(engine, "stack", "rm")] == ["apps.pr-6", "apps.pr-8"]
    errors = capsys.readouterr().err
    assert "PULUMI_BACKEND_URL='file:///nowhere' pulumi cancel --stack apps.pr-5\n" in errors
    assert errors.endswith("not destroyed: apps.pr-5\n")


@pytest.mark.parametrize(
    "arguments", [["begin", "x", DIGEST], ["begin", "1", "latest"], ["end", "0"], ["end", "1; rm"], []]
)
def test_a_number_or_an_image_that_is_none_is_refused(engine: Path, arguments: list[str]) -> None:
    assert preview.main(arguments) == 2
    assert not commands(engine, "up")
    assert not commands(engine, "destroy")


def test_the_engines_failure_is_the_programs(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = json.loads(engine.read_text())
    engine.write_text(json.dumps({**book, "fails": "destroy"}))
    assert preview.main(["end", "5"]) == 1
    assert "code: 3" in capsys.readouterr().err
    assert not commands(engine, "stack", "rm")


def test_a_commits_pull_request_is_the_youngest_whose_head_it_is() -> None:
    mine, other = "a" * 40, "b" * 40
    refs = f"{mine}\trefs/pull/7/head\n{mine}\trefs/pull/12/head\n{other}\trefs/pull/13/head\n"
    assert pull_request.number(mine, refs) == 12
    assert pull_request.number(other, f"{other}\trefs/merge-requests/3/head\n") == 3
    with pytest.raises(Refused, match="no pull request's head"):
        pull_request.number("c" * 40, refs)


def test_the_number_is_found_in_a_clone_of_the_requests_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def git(*command: str, where: Path = tmp_path / "host") -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *command], cwd=where, check=True, capture_output=True)

    (tmp_path / "host").mkdir()
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "a change")
    git("clone", "--quiet", str(tmp_path / "host"), "clone", where=tmp_path)
    monkeypatch.chdir(tmp_path / "clone")
    assert pull_request.main([]) == 2
    git("update-ref", "refs/pull/41/head", "HEAD")
    assert pull_request.main([]) == 0
    assert capsys.readouterr().out == "41\n"
