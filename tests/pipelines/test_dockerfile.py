"""Tests of app/Dockerfile without Docker: of its instructions, and of its build stage replayed in a folder."""

import json
import os
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from app.processes import API_COMMAND, API_PORT
from cloud import pods
from cloud.function import RUNTIME

ROOT = Path(__file__).parents[2]
HOME = "/opt/rewards"


@dataclass(frozen=True)
class Instruction:
    name: str
    rest: str


def stages() -> list[list[Instruction]]:
    """Return the Dockerfile's instructions by stage, each stage beginning with FROM."""
    lines = [line for line in (ROOT / "app" / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages_: list[list[Instruction]] = []
    for line in filter(None, joined.splitlines()):
        instruction = Instruction(*line.split(" ", 1))
        if instruction.name == "FROM":
            stages_.append([])
        if stages_:
            stages_[-1].append(instruction)
    return stages_


def values(stage: list[Instruction], name: str) -> list[str]:
    return [instruction.rest for instruction in stage if instruction.name == name]


def test_every_install_enforces_hashes_and_takes_wheels_alone() -> None:
    installs = [run for stage in stages() for run in values(stage, "RUN") if " install " in run]
    assert len(installs) == 2
    assert all("--require-hashes" in run for run in installs)
    assert "--no-build" in installs[1]
    assert not [run for run in installs if re.search(r"apt-get|gcc|build-essential|index-url", run)]


def test_the_last_stage_installs_nothing_and_takes_only_what_was_built() -> None:
    last = stages()[-1]
    assert not values(last, "RUN")
    assert not values(last, "ADD")
    assert values(last, "COPY") == [f"--from=build {HOME} {HOME}"]


def test_it_runs_as_the_user_that_the_pods_name_and_never_as_root() -> None:
    assert values(stages()[-1], "USER") == [f"{pods.USER}:{pods.USER}"]
    assert pods.USER > 0


def test_it_starts_what_the_deployments_start_on_their_port_and_says_whether_it_lives() -> None:
    last = stages()[-1]
    assert [json.loads(command) for command in values(last, "CMD")] == [list(API_COMMAND)]
    assert values(last, "EXPOSE") == [str(API_PORT)]
    [health] = values(last, "HEALTHCHECK")
    assert f"127.0.0.1:{API_PORT}/health/live" in health


def test_it_is_labelled_with_its_commit_and_base_and_holds_no_secret() -> None:
    last = stages()[-1]
    assert 'org.opencontainers.image.revision="${COMMIT}"' in values(last, "LABEL")[0]
    assert 'org.opencontainers.image.base.name="${BASE}"' in values(last, "LABEL")[0]
    text = " ".join(rest for stage in stages() for name in ("ENV", "ARG") for rest in values(stage, name))
    assert not re.search(r"password|secret|token|aws_", text, re.IGNORECASE)


def test_both_stages_stand_on_one_slim_base_of_the_functions_python() -> None:
    assert [values(stage, "FROM")[0].removesuffix(" AS build") for stage in stages()] == [
        "${BASE}",
        "--platform=linux/${MACHINE} ${BASE}",
    ]
    text = (ROOT / "app" / "Dockerfile").read_text()
    [base] = re.findall(r"^ARG BASE=(.*)$", text, re.MULTILINE)
    assert base.startswith(f"public.ecr.aws/docker/library/python:{RUNTIME.removeprefix('python')}-slim-")


@pytest.fixture(scope="session")
def home(interpreter: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Replay the build stage, and return the folder that the image has as /opt/rewards."""
    root = tmp_path_factory.mktemp("image")
    subprocess.run([interpreter, "-m", "venv", root / "base"], check=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment = {**clean, "PATH": f"{root / 'base' / 'bin'}:{os.environ['PATH']}", "UV_LINK_MODE": "copy"}
    environment["MACHINE"] = platform.machine()
    where = root / "build"
    where.mkdir()
    for instruction in stages()[0]:
        if instruction.name == "COPY":
            *sources, target = instruction.rest.replace(HOME, str(root / "rewards")).split()
            for source in sources:
                _copy(ROOT / source, where / target)
        elif instruction.name == "RUN":
            command = instruction.rest.replace(HOME, str(root / "rewards"))
            subprocess.run(["sh", "-ec", command], cwd=where, env=environment, check=True)
    return root / "rewards"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


@pytest.fixture
def address(home: Path, database_url: str, until: Callable[[Callable[[], object]], None]) -> Iterator[str]:
    """Start the application from the folder `home` by the image's command, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [port if part == str(API_PORT) else part.replace("0.0.0.0", "127.0.0.1") for part in API_COMMAND]  # noqa: S104  replaced
    environment = {
        "PYTHONPATH": str(home / "src"),
        "REWARDS_DATABASE_URL": database_url,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    running = subprocess.Popen(
        [home / "bin" / command[0], *command[1:]], cwd=home / "src", env=environment, stderr=subprocess.DEVNULL
    )

    def listens() -> bool:
        assert running.poll() is None, "the application ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(port))) == 0

    until(listens)
    yield f"http://127.0.0.1:{port}"
    running.terminate()
    running.wait(10)


def test_what_the_build_stage_makes_starts_and_answers(address: str, home: Path) -> None:
    for path in ("/health/live", "/health/ready"):
        assert httpx2.get(address + path).status_code == 200
    assert not (home / "src" / "app" / "local").exists()
    assert not list(home.glob("lib/*/site-packages/pip"))
