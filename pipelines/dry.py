"""Runs the commands of all or some buildspecs on this machine, without AWS: `make pipeline-dry ONLY="package smoke"`.

Clones HEAD and runs each buildspec's commands there in order, each in its own shell as CodeBuild does. Commands that
need more than this machine are listed in `LEFT_OUT` and reported with the reason. A command that another buildspec has
run already is not run again. Exit code 1: a command failed; 2: there is no such buildspec, or nothing ran.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "buildspecs"
_PHASES = ("install", "pre_build", "build", "post_build")
_ENGINE = "Pulumi's engine, an account and its state"
# The beginning of a command, and what the command needs that this machine lacks.
LEFT_OUT = {
    "aws": "an account",
    "make deploy": _ENGINE,
    "make destroy": _ENGINE,
    "make diff": _ENGINE,
    "make findings": "an image that Inspector has scanned",
    "make handover FLAGS=--base": "the registry of the base image",
    "make preview": _ENGINE,
    "make preview-end": _ENGINE,
    "make previews-expired": _ENGINE,
    "make publish": "functions in an account",
    "make rollout": "a cluster",
    "make seed": "a preview's database",
    "make smoke": "an environment's address",
    "pulumi": _ENGINE,
    "python3 -m pipelines.engine": "a download, to be put on this machine's path",
    "python3 -m pipelines.pull_request": "a pull request at the repository's host",
    "set -a && . build/versions.env": "what make publish writes",
}
# Variables that the project in AWS sets.
VARIABLES = {"ENVIRONMENT": "dev", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class Command:
    buildspec: str
    line: str

    @property
    def needs(self) -> str | None:
        """What the command needs that this machine lacks, such as an AWS account; None if it can run."""
        command = re.sub(r"^[A-Z_]+=\$\(", "", self.line)
        beginnings = [beginning for beginning in LEFT_OUT if re.match(rf"{re.escape(beginning)}(?![\w-])", command)]
        return LEFT_OUT[max(beginnings, key=len)] if beginnings else None


@dataclass(frozen=True)
class Ran:
    command: Command
    outcome: str
    seconds: float = 0
    failed: bool = False

    def line(self) -> str:
        return f"{self.command.buildspec:18}{self.outcome:12}{self.seconds:6.0f} s  {self.command.line}"


def commands(folder: Path, only: Sequence[str] = ()) -> list[Command]:
    """Returns the commands of the buildspecs in `only`, or of all. Raises KeyError for one that does not exist."""
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return [Command(name, line) for name in only or files for line in lines(files[name])]


def lines(path: Path) -> Iterator[str]:
    phases = yaml.safe_load(path.read_text())["phases"]
    for phase in _PHASES:
        yield from phases.get(phase, {}).get("commands", ())


def run(commands: Sequence[Command], clone: Path) -> Iterator[Ran]:
    """Yields each command's result; after a failure, the rest of its buildspec is skipped, as in CodeBuild."""
    done: set[str] = set()
    broken: set[str] = set()
    for command in commands:
        if command.needs:
            yield Ran(command, "left out")
        elif command.line in done:
            yield Ran(command, "ran before")
        elif command.buildspec in broken:
            yield Ran(command, "not reached")
        else:
            done.add(command.line)
            ran = _run(command, clone)
            broken |= {command.buildspec} if ran.failed else set()
            yield ran


def _run(command: Command, clone: Path) -> Ran:
    begun = time.monotonic()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    ran = subprocess.run(  # noqa: S603  our own buildspecs
        ["/bin/sh", "-ec", command.line], cwd=clone, env={**clean, **VARIABLES}, check=False
    )
    failed = ran.returncode != 0
    return Ran(command, f"exit {ran.returncode}" if failed else "ran", time.monotonic() - begun, failed)


def summary(ran: Sequence[Ran]) -> Iterator[str]:
    yield ""
    yield from (result.line() for result in ran)
    yield ""
    reasons: dict[str, list[str]] = {}
    for result in ran:
        if result.command.needs:
            reasons.setdefault(result.command.needs, []).append(result.command.line)
    for reason, left in reasons.items():
        yield f"left out, it needs {reason}:"
        yield from (f"  {line}" for line in dict.fromkeys(left))


def main(only: Sequence[str], root: Path = FOLDER.parent.parent, folder: Path = FOLDER) -> int:
    try:
        wanted = commands(folder, only)
    except KeyError as unknown:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        print(f"rewards: {unknown} is no buildspec; there are {known}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "clone"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(root), str(clone)], check=True)  # noqa: S603, S607
        ran = list(run(wanted, clone))
    print("\n".join(summary(ran)))
    if not any(result.outcome in {"ran", "ran before"} or result.failed for result in ran):
        print("rewards: nothing of this can be run without AWS", file=sys.stderr)
        return 2
    return int(any(result.failed for result in ran))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
