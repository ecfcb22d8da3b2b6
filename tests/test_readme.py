"""Run all commands of the README's tour, and compare their output with the README."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import pytest

from app.local import postgres

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
REWARDS = Path(sys.executable).parent / "rewards"
MARK = "::done::"
# A machine that does much else at the same time takes ten times as long as one that does not.
PATIENCE_S = 240


@dataclass
class Step:
    command: str
    expected: list[str] = field(default_factory=list)


def steps() -> list[Step]:
    """Return the commands of the README's tour (lines that begin with `$ `, and here-documents), with their outputs."""
    tour: list[Step] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        until = None
        for line in block.splitlines():
            if until:
                tour[-1].command += "\n" + line
                until = None if line == until else until
            elif line.startswith("$ "):
                tour.append(Step(line[2:]))
                here = re.search(r"<<'(\w+)'", line)
                until = here.group(1) if here else None
            else:
                tour[-1].expected.append(line)
    return tour


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    tmp_path = tmp_path_factory.mktemp("platform")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = (tmp_path / "up.txt").open("w")
    command = [str(REWARDS), "up", "--weeks", "0", "--port", str(port)]
    up = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "Ctrl-C ends" not in (tmp_path / "up.txt").read_text():
            assert up.poll() is None, (tmp_path / "up.txt").read_text()
            assert time.monotonic() < deadline, (tmp_path / "up.txt").read_text()
            time.sleep(0.1)
        yield tmp_path, port
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(PATIENCE_S) == 0
        log.close()
        postgres.remove(tmp_path / ".rewards" / "postgres")


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE_S)
@pytest.mark.parametrize("run", ["first", "second"])
def test_the_tour_prints_what_the_readme_says(platform: tuple[Path, int], run: str) -> None:
    folder, port = platform
    script = "".join(f"{{\n{step.command}\n}} 2>&1\necho {MARK}\n" for step in steps())
    script = script.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
    environment = {**os.environ, "PATH": f"{REWARDS.parent}:{os.environ['PATH']}"}
    shell = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    outputs = shell.stdout.split(f"{MARK}\n")
    assert len(outputs) == len(steps()) + 1, shell.stderr
    for step, printed in zip(steps(), outputs, strict=False):
        pattern = "\n".join(".*?".join(map(re.escape, line.split("…"))) for line in step.expected)
        assert re.fullmatch(pattern, printed.rstrip("\n")), f"$ {step.command}\n{printed}"


@pytest.mark.slow
def test_the_documentation_page_needs_no_other_host(platform: tuple[Path, int]) -> None:
    with urlopen(f"http://127.0.0.1:{platform[1]}/docs") as page:
        assert not re.findall(r"(?:src|href)=\"https?://", page.read().decode())
