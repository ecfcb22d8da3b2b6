"""Pulumi's engine of the version that the lock has of its SDK: `python -m pipelines.engine FOLDER` puts it there.

The archive's SHA-256 must be the one in the release's own list, and where PULUMI_SHA256 is set, that one. Only the
standard library; exit code 2 with one line: nothing was put anywhere.
"""

import hashlib
import io
import os
import re
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

LOCK = Path(__file__).parent.parent / "requirements" / "all.txt"
_ARCHIVE = "pulumi-v{version}-linux-{machine}.tar.gz"
_FROM = "https://get.pulumi.com/releases/sdk/{archive}"
_SUMS = "https://github.com/pulumi/pulumi/releases/download/v{version}/pulumi-{version}-checksums.txt"
_MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


class Refused(Exception):
    """The engine is not what it should be, or can't be had."""


def version(lock: str) -> str:
    """The SDK's; the engine's is the same."""
    found = re.search(r"^pulumi==([0-9.]+)", lock, re.MULTILINE)
    if not found:
        raise Refused("the lock has no pulumi")
    return found[1]


def checked(archive: bytes, name: str, sums: str, pinned: str | None) -> bytes:
    """The same bytes. Raises Refused where the list has no such file or another sum, or the pinned one differs."""
    found = hashlib.sha256(archive).hexdigest()
    listed = [line.split()[0] for line in sums.splitlines() if line.split()[1:] == [name]]
    if listed != [found]:
        raise Refused(f"{name} has the SHA-256 {found}; the release says {' '.join(listed) or 'nothing of it'}")
    if pinned and pinned != found:
        raise Refused(f"{name} has the SHA-256 {found}, not PULUMI_SHA256")
    return archive


def install(folder: Path, machine: str, fetch: Callable[[str], bytes], pinned: str | None) -> str:
    """The version that is in the folder afterwards."""
    wanted = version(LOCK.read_text())
    name = _ARCHIVE.format(version=wanted, machine=_MACHINES[machine])
    sums = fetch(_SUMS.format(version=wanted)).decode()
    archive = checked(fetch(_FROM.format(archive=name)), name, sums, pinned)
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        for member in packed.getmembers():
            if program := packed.extractfile(member) if member.isfile() else None:
                target = folder / Path(member.name).name  # without the archive's own folder
                target.write_bytes(program.read())
                target.chmod(0o755)
    return wanted


def _fetch(url: str) -> bytes:
    try:
        with urlopen(url, timeout=60) as answer:  # noqa: S310  constants above
            found: bytes = answer.read()
            return found
    except URLError as absent:
        raise Refused(f"{url}: {absent.reason}") from absent


def main(arguments: Sequence[str]) -> int:
    try:
        folder = Path(arguments[0])
        print(f"pulumi {install(folder, os.uname().machine, _fetch, os.environ.get('PULUMI_SHA256'))} in {folder}")
    except Refused as refused:
        print(f"rewards: {refused}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
