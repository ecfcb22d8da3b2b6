"""A preview's stack begun, ended and expired, on a fake engine that records its commands."""

import json
import os
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from pipelines import preview, pull_request

DIGEST = "sha256:" + "c" * 64
ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 24)
PULUMI = f"""#!{sys.executable}
import json, os, sys
book = json.load(open(os.environ["STACKS_FILE"]))
command = [word for word in sys.argv[1:] if word != "--non-interactive"]
book["commands"].append(command)
json.dump(book, open(os.environ["STACKS_FILE"], "w"))
match command:
    case ["version"]:
        print("v{version("pulumi")}")
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
sys.exit(3 if command[0] == book["fails"] else 0)
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
    book.write_text(json.dumps({"stacks": stacks, "commands": [], "fails": ""}))
    monkeypatch.setenv("STACKS_FILE", str(book))
    return book


def commands(engine: Path, *beginning: str) -> list[list[str]]:
    """The recorded commands that begin with these words."""
    calls: list[list[str]] = json.loads(engine.read_text())["commands"]
    return [call for call in calls if call[: len(beginning)] == list(beginning)]


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


def test_a_preview_that_is_there_is_destroyed_and_one_that_is_not_is_no_mistake(engine: Path) -> None:
    assert preview.main(["end", "5"]) == 0
    assert preview.main(["end", "99"]) == 0
    assert [call[-1] for call in commands(engine, "destroy")] == ["apps.pr-5"]
    assert [call[-1] for call in commands(engine, "stack", "rm")] == ["apps.pr-5"]


def test_what_has_passed_its_day_or_never_came_up_is_destroyed_and_nothing_else(engine: Path) -> None:
    assert preview.expired(TODAY) == ["apps.pr-5", "apps.pr-8"]
    assert {call[-1] for call in commands(engine, "destroy")} == {"apps.pr-5", "apps.pr-8"}


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
    with pytest.raises(pull_request.Unknown, match="no pull request's head"):
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
