"""Installs Pulumi's engine in the version of the locked SDK: `python -m pipelines.engine FOLDER`.

The archive's SHA-256 must be in the release's own list and, if PULUMI_SHA256 is set, equal to it. By hand, because the
SDK's own installer runs a script that it downloads, and because this runs before any package is installed: it needs
the standard library alone. Exit code 2 with one line: nothing was installed.
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
    """The engine cannot be fetched, or its checksum is wrong."""


def version(lock: str) -> str:
    """The locked SDK's version, which is also the engine's."""
    match = re.search(r"^pulumi==([0-9.]+)", lock, re.MULTILINE)
    if not match:
        raise Refused("the lock has no pulumi")
    return match[1]


def checked(archive: bytes, name: str, sums: str, pinned: str | None) -> bytes:
    """Returns the archive. Raises Refused unless its checksum is in the list and is the pinned one, if any."""
    digest = hashlib.sha256(archive).hexdigest()
    listed = [line.split()[0] for line in sums.splitlines() if line.split()[1:] == [name]]
    if listed != [digest]:
        raise Refused(f"{name} has the SHA-256 {digest}; the release says {' '.join(listed) or 'nothing of it'}")
    if pinned and pinned != digest:
        raise Refused(f"{name} has the SHA-256 {digest}, not PULUMI_SHA256")
    return archive


def install(folder: Path, machine: str, fetch: Callable[[str], bytes], pinned: str | None) -> str:
    """Installs the engine in the folder and returns its version."""
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
            body: bytes = answer.read()
            return body
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
