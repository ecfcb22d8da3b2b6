"""Tests of rollout and rollback on a fake kubectl that keeps a cluster's state in a file."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import rollout

OLD, NEW = ("registry/app@sha256:" + letter * 64 for letter in "ab")
# Answers what `rollout` asks. A Deployment named in `broken` never comes up with the new image.
KUBECTL = f"""#!{sys.executable}
import json, os, sys
where = os.environ["CLUSTER_FILE"]
cluster = json.load(open(where))
command = sys.argv[3:]
cluster["commands"].append(command)
answer, code = "", 0
if command[:2] == ["get", "deployments"]:
    answer = json.dumps({{"items": [
        {{"metadata": {{"name": name}}, "spec": {{"template": {{"spec": {{"containers": [{{"image": image}}]}}}}}}}}
        for name, image in cluster["images"].items()]}})
elif command[:2] == ["get", "jobs"]:
    answer = json.dumps({{"items": cluster["jobs"]}})
elif command[0] == "create":
    job = json.load(sys.stdin)
    job["metadata"]["name"] = job["metadata"].pop("generateName") + "x1"
    cluster["jobs"].append(job)
    answer = json.dumps(job)
elif command[0] == "wait" and cluster.get("migration_fails"):
    answer, code = "timed out waiting", 1
elif command[:2] == ["set", "image"]:
    name, image = command[3].split("=")
    cluster["images"][name] = image
elif command[:2] == ["rollout", "status"]:
    name = command[2].split("/")[1]
    if name in cluster["broken"] and cluster["images"][name].endswith("b" * 64):
        answer, code = "exceeded its progress deadline", 1
json.dump(cluster, open(where, "w"))
print(answer)
sys.exit(code)
"""
# Keeps parameters in the same file, as `aws ssm` does in an account. `refuses` is a command that it denies.
AWS = f"""#!{sys.executable}
import json, os, sys
where = os.environ["CLUSTER_FILE"]
cluster = json.load(open(where))
command, options = sys.argv[2], dict(zip(sys.argv[3:], sys.argv[4:]))
cluster["commands"].append(command)
if command == cluster.get("refuses"):
    sys.exit("AccessDeniedException")
if command == "put-parameter":
    cluster["parameters"][options["--name"]] = options["--value"]
elif options["--name"] not in cluster["parameters"]:
    sys.exit("An error occurred (ParameterNotFound) when calling the GetParameter operation")
else:
    print(cluster["parameters"][options["--name"]])
json.dump(cluster, open(where, "w"))
"""
RECORDED = "/rewards/delivered/rewards/image"
JOB = {
    "metadata": {"name": "migration-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {
        "backoffLimit": 3,
        "activeDeadlineSeconds": 900,
        "selector": {"matchLabels": {"controller-uid": "u"}},
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": "migration", "controller-uid": "u", "job-name": "m"}},
            "spec": {"initContainers": [{"image": OLD}, {"image": OLD}], "containers": [{"image": OLD}]},
        },
    },
}

WriteState = Callable[..., Path]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteState:
    for name, text in (("kubectl", KUBECTL), ("aws", AWS)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CLUSTER_FILE", str(tmp_path / "cluster.json"))

    def cluster_with(**of: Any) -> Path:
        state = {
            "images": {"catalog": OLD, "orders": OLD},
            "jobs": [JOB],
            "broken": [],
            "commands": [],
            "parameters": {},
            **of,
        }
        (tmp_path / "cluster.json").write_text(json.dumps(state))
        return tmp_path / "cluster.json"

    return cluster_with


def images(file: Path) -> dict[str, str]:
    images: dict[str, str] = json.loads(file.read_text())["images"]
    return images


def test_every_deployment_gets_the_digest_after_the_migration(cluster: WriteState) -> None:
    file = cluster()
    assert rollout.main(["rewards", NEW]) == 0
    assert images(file) == {"catalog": NEW, "orders": NEW}
    commands = [command[0] for command in json.loads(file.read_text())["commands"]]
    assert commands.index("wait") < commands.index("set")


def test_the_migrations_job_is_repeated_with_the_new_image_in_each_step(cluster: WriteState) -> None:
    file = cluster()
    rollout.main(["rewards", NEW])
    job = json.loads(file.read_text())["jobs"][-1]
    pod = job["spec"]["template"]["spec"]
    assert {container["image"] for container in [*pod["initContainers"], *pod["containers"]]} == {NEW}
    assert job["spec"]["template"]["metadata"]["labels"] == {"app.kubernetes.io/name": "migration"}
    assert "selector" not in job["spec"]
    assert JOB["spec"]["template"]["spec"]["containers"] == [{"image": OLD}]  # type: ignore[index]  # unharmed


def test_all_go_back_to_the_digest_before_when_one_does_not_come_up(
    cluster: WriteState, capsys: pytest.CaptureFixture[str]
) -> None:
    file = cluster(broken=["orders"])
    assert rollout.main(["rewards", NEW]) == 1
    assert images(file) == {"catalog": OLD, "orders": OLD}
    assert "all Deployments have the image before again" in capsys.readouterr().err


def test_a_migration_that_fails_changes_no_deployment(cluster: WriteState) -> None:
    file = cluster(migration_fails=True)
    assert rollout.main(["rewards", NEW]) == 1
    assert images(file) == {"catalog": OLD, "orders": OLD}


def test_the_first_image_has_none_to_go_back_to(cluster: WriteState) -> None:
    nothing = "registry/app@sha256:" + "0" * 64
    file = cluster(images={"catalog": nothing}, broken=["catalog"])
    assert rollout.main(["rewards", NEW]) == 1
    assert images(file) == {"catalog": NEW}


def test_the_image_before_is_put_back_by_the_same_command(cluster: WriteState) -> None:
    file = cluster(images={"catalog": NEW, "orders": NEW})
    assert rollout.main(["rewards", OLD]) == 0
    assert images(file) == {"catalog": OLD, "orders": OLD}


def test_what_runs_already_is_left_alone(cluster: WriteState) -> None:
    file = cluster(images={"catalog": NEW})
    assert rollout.main(["rewards", NEW]) == 0
    assert not [command for command in json.loads(file.read_text())["commands"] if command[0] in {"set", "create"}]


@pytest.mark.parametrize("image", ["registry/app:latest", "registry/app", "registry/app@sha256:12", ""])
def test_an_image_that_is_not_named_by_its_digest_is_refused(
    image: str, cluster: WriteState, capsys: pytest.CaptureFixture[str]
) -> None:
    file = cluster()
    assert rollout.main(["rewards", image]) == 2
    assert "is not named by its digest" in capsys.readouterr().err
    assert images(file) == {"catalog": OLD, "orders": OLD}


def test_codepipelines_digest_may_come_without_its_kind() -> None:
    assert rollout.named_by_digest("registry/app@" + "b" * 64) == NEW


def test_a_namespace_without_a_migration_or_deployments_is_refused(cluster: WriteState) -> None:
    cluster(jobs=[])
    assert rollout.main(["rewards", NEW]) == 2
    cluster(images={})
    assert rollout.main(["rewards", NEW]) == 2


def recorded(file: Path) -> dict[str, str]:
    parameters: dict[str, str] = json.loads(file.read_text())["parameters"]
    return parameters


def test_the_digest_is_recorded_before_the_pods_roll_and_after_the_migration(cluster: WriteState) -> None:
    """The apps layer declares the recorded image: an update during the rollout must not put the old one back."""
    file = cluster()
    assert rollout.main(["rewards", NEW]) == 0
    assert recorded(file) == {RECORDED: NEW.partition("@")[2]}
    steps = [
        command if isinstance(command, str) else command[0] for command in json.loads(file.read_text())["commands"]
    ]
    assert steps.index("wait") < steps.index("put-parameter") < steps.index("set")


@pytest.mark.parametrize("before", [{}, {RECORDED: OLD.partition("@")[2]}])
def test_what_was_recorded_before_stands_again_after_a_rollback(cluster: WriteState, before: dict[str, str]) -> None:
    file = cluster(broken=["orders"], parameters=before)
    assert rollout.main(["rewards", NEW]) == 1
    assert recorded(file) == {RECORDED: OLD.partition("@")[2]}
    assert set(images(file).values()) == {OLD}


def test_an_image_that_runs_already_is_recorded(cluster: WriteState) -> None:
    file = cluster()
    assert rollout.main(["rewards", OLD]) == 0
    assert recorded(file) == {RECORDED: OLD.partition("@")[2]}


@pytest.mark.parametrize("refused", ["get-parameter", "put-parameter"])
def test_nothing_rolls_where_the_digest_cannot_be_recorded(
    cluster: WriteState, refused: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = cluster(refuses=refused)
    assert rollout.main(["rewards", NEW]) == 1
    assert "AccessDenied" in capsys.readouterr().err
    assert set(images(file).values()) == {OLD}
