"""What a build hands to later stages, in build/: `python -m pipelines.handover` in a clone.

`program`: the commit's files, for builds that have no clone. `context`: the image's build context, with the Dockerfile
at its root, where CodePipeline's own action looks for it; the action takes no arguments, so the commit is written into
it. Exit code 2 with one line: refused.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.packaging import Refused, commit

DOCKERFILE = "app/Dockerfile"
_CONTEXT = ("app", "requirements/app.txt", "requirements/uv.txt")
_ARGUMENT = "ARG COMMIT\n"


def lay(root: Path, build: Path, *, zips: bool = False) -> None:
    """Raises Refused if the tree differs from the commit. `zips` adds the packaged functions to the program."""
    named = commit(root, (*_CONTEXT, "pipelines", "stacks", "Makefile"))
    _archive(root, build / "program")
    _archive(root, build / "context", _CONTEXT)
    (build / "context" / "Dockerfile").write_text(labelled((root / DOCKERFILE).read_text(), named))
    if zips:
        shutil.copytree(build / "lambda", build / "program" / "build" / "lambda")


def labelled(dockerfile: str, named: str) -> str:
    """The Dockerfile with the commit as the argument's default."""
    if dockerfile.count(_ARGUMENT) != 1:
        raise Refused(f"{DOCKERFILE} must ask for its commit once, in a line {_ARGUMENT.strip()}")
    return dockerfile.replace(_ARGUMENT, f"ARG COMMIT={named}\n")


def _archive(root: Path, folder: Path, paths: Sequence[str] = ()) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packed = subprocess.run(["git", "archive", "HEAD", *paths], cwd=root, check=True, capture_output=True).stdout  # noqa: S603, S607
    # Not tarfile: its safe extraction came with Python 3.11.4, and Debian 12 has 3.11.2.
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)  # noqa: S603, S607


def main(arguments: Sequence[str]) -> int:
    root = Path(__file__).parent.parent
    try:
        lay(root, root / "build", zips="--zips" in arguments)
    except Refused as refused:
        print(f"rewards: {refused}", file=sys.stderr)
        return 2
    print("build/program, build/context")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
