"""A preview's stack begun, ended and expired, on an engine that only writes down what it is asked."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

from pipelines import preview, pull_request

DIGEST = "sha256:" + "c" * 64
ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 24)
PULUMI = f"""#!{sys.executable}
import json, os, sys
held = json.load(open(os.environ["STACKS_FILE"]))
held["asked"].append(sys.argv[1:])
json.dump(held, open(os.environ["STACKS_FILE"], "w"))
if sys.argv[1:3] == ["stack", "ls"]:
    print(json.dumps([{{"name": "organization/rewards/" + name}} for name in held["stacks"]]))
if sys.argv[1:3] == ["stack", "output"]:
    print(json.dumps(held["stacks"].get(sys.argv[-1], {{}})))
sys.exit(3 if sys.argv[1] == held["fails"] else 0)
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
    held = tmp_path / "stacks.json"
    held.write_text(json.dumps({"stacks": stacks, "asked": [], "fails": ""}))
    monkeypatch.setenv("STACKS_FILE", str(held))
    return held


def asked(engine: Path, command: str) -> list[list[str]]:
    return [one for one in json.loads(engine.read_text())["asked"] if one[0] == command]


def test_a_preview_has_its_image_and_an_end_and_what_all_previews_are_told(engine: Path, tmp_path: Path) -> None:
    preview.begin("123", DIGEST, TODAY)
    told = yaml.safe_load((tmp_path / "stacks" / "config" / "Pulumi.apps.pr-123.yaml").read_text())["config"]
    assert told["rewards:imageDigest"] == DIGEST
    assert told["rewards:expires"] == "2026-12-01"
    assert told["rewards:minReplicas"] == 2
    ((*_, stack, pack, folder, config, file),) = asked(engine, "up")
    assert (stack, pack, folder, config) == ("apps.pr-123", "--policy-pack", "policies", "--policy-pack-config")
    assert (ROOT / file).exists()


def test_a_preview_that_is_there_is_destroyed_and_one_that_is_not_is_no_mistake(engine: Path) -> None:
    assert preview.main(["end", "5"]) == 0
    assert preview.main(["end", "99"]) == 0
    assert [one[-1] for one in asked(engine, "destroy")] == ["apps.pr-5"]


def test_what_has_passed_its_day_or_never_came_up_is_destroyed_and_nothing_else(engine: Path) -> None:
    assert preview.expired(TODAY) == ["apps.pr-5", "apps.pr-8"]
    assert {one[-1] for one in asked(engine, "destroy")} == {"apps.pr-5", "apps.pr-8"}


@pytest.mark.parametrize(
    "arguments", [["begin", "x", DIGEST], ["begin", "1", "latest"], ["end", "0"], ["end", "1; rm"], []]
)
def test_a_number_or_an_image_that_is_none_is_refused(engine: Path, arguments: list[str]) -> None:
    assert preview.main(arguments) == 2
    assert not asked(engine, "up")
    assert not asked(engine, "destroy")


def test_the_engines_failure_is_the_programs(engine: Path) -> None:
    held = json.loads(engine.read_text())
    engine.write_text(json.dumps({**held, "fails": "destroy"}))
    assert preview.main(["end", "5"]) == 3


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
