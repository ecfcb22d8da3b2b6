"""Fills the folder build/ with the artifacts for later pipeline stages: `python -m pipelines.handover` in a git clone.

build/program has the commit's files, for builds that have no clone. build/context is the image's build context, with
the Dockerfile at its root, where CodePipeline's own build action looks for it. That action passes no build arguments,
so the commit is written into the Dockerfile, and with FLAGS=--base the digest of the base image that its tag has now.
Exit code 2: files are not committed, or the Dockerfile lacks ARG COMMIT or ARG BASE; 1: the registry gives no digest.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines import base_image
from pipelines.command import Refused, command, flags_and_names
from pipelines.packaging import commit

DOCKERFILE = "app/Dockerfile"
_CONTEXT = ("app", "requirements/app.txt", "requirements/uv.txt")
_ARGUMENT = "ARG COMMIT\n"
_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)


def lay(root: Path, build: Path, *, zips: bool = False, base: Callable[[str], str] | None = None) -> None:
    """Fills build/program and build/context; `zips` adds the functions' zips.

    `base` returns the reference of the base image that the image is to be built on, given the Dockerfile's own.
    Raises Refused if files are not committed, or there are no zips to add.
    """
    if zips and not (build / "lambda").is_dir():
        raise Refused("build/lambda has no zips: make package")
    named = commit(root, (*_CONTEXT, "pipelines", "stacks", "Makefile"))
    _archive(root, build / "program")
    _archive(root, build / "context", _CONTEXT)
    text = labelled((root / DOCKERFILE).read_text(), named)
    (build / "context" / "Dockerfile").write_text(_on(base, text) if base else text)
    if zips:
        shutil.copytree(build / "lambda", build / "program" / "build" / "lambda")


def labelled(dockerfile: str, named: str) -> str:
    """Returns a Dockerfile's text with the commit `named` as default of ARG COMMIT. Raises Refused without this ARG."""
    if dockerfile.count(_ARGUMENT) != 1:
        raise Refused(f"{DOCKERFILE} must ask for its commit once, in a line {_ARGUMENT.strip()}")
    return dockerfile.replace(_ARGUMENT, f"ARG COMMIT={named}\n")


def _on(base: Callable[[str], str], dockerfile: str) -> str:
    """Returns a Dockerfile's text with another default of ARG BASE. Raises Refused without this ARG."""
    references = _BASE.findall(dockerfile)
    if len(references) != 1:
        raise Refused(f"{DOCKERFILE} must name its base once, in a line ARG BASE=…")
    return _BASE.sub(f"ARG BASE={base(references[0])}", dockerfile)


def _archive(root: Path, folder: Path, paths: Sequence[str] = ()) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packed = subprocess.run(["git", "archive", "HEAD", *paths], cwd=root, check=True, capture_output=True).stdout  # noqa: S603, S607
    # Not tarfile: its safe extraction came with Python 3.11.4, and Debian 12 has 3.11.2.
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)  # noqa: S603, S607


@command
def main(arguments: Sequence[str]) -> None:
    root = Path(__file__).parent.parent
    usage = "make handover, or make handover FLAGS=--base, or make handover FLAGS=--zips"
    flags, names = flags_and_names(arguments, {"--base", "--zips"}, usage)
    if names:
        raise Refused(f"it takes no names: {usage}")
    lay(root, root / "build", zips="--zips" in flags, base=base_image.pinned if "--base" in flags else None)
    print("build/program, build/context")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
