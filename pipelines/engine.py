"""Installs Pulumi's engine into a folder: `python -m pipelines.engine FOLDER`. Its version is that of the locked SDK.

The archive's SHA-256 must be in the release's own list and, if PULUMI_SHA256 is set, equal to it. The SDK's own
installer is not used, because it runs a script that it downloads. Runs before any package is installed, with the
standard library only. Exit code 2 with one line: nothing was installed.
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

from pipelines.command import Refused, command

LOCK = Path(__file__).parent.parent / "requirements" / "all.txt"
_ARCHIVE = "pulumi-v{version}-linux-{machine}.tar.gz"
_FROM = "https://get.pulumi.com/releases/sdk/{archive}"
_SUMS = "https://github.com/pulumi/pulumi/releases/download/v{version}/pulumi-{version}-checksums.txt"
_MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


def version(lock: str) -> str:
    """Returns the version of Pulumi's SDK and engine from a lock file's text. Raises Refused if it has no Pulumi."""
    match = re.search(r"^pulumi==([0-9.]+)", lock, re.MULTILINE)
    if not match:
        raise Refused("the lock has no pulumi")
    return match[1]


def checked(archive: bytes, name: str, sums: str, pinned: str | None) -> bytes:
    """Returns `archive` if its SHA-256 is that of `name` in `sums` (and `pinned`, if given); else raises Refused."""
    digest = hashlib.sha256(archive).hexdigest()
    listed = [line.split()[0] for line in sums.splitlines() if line.split()[1:] == [name]]
    if listed != [digest]:
        raise Refused(f"{name} has the SHA-256 {digest}; the release says {' '.join(listed) or 'nothing of it'}")
    if pinned and pinned != digest:
        raise Refused(f"{name} has the SHA-256 {digest}, not PULUMI_SHA256")
    return archive


def install(folder: Path, machine: str, fetch: Callable[[str], bytes], pinned: str | None) -> str:
    """Downloads Pulumi's engine for `machine` (`uname -m`), checks its SHA-256, unpacks it, and returns its version."""
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


@command
def main(arguments: Sequence[str]) -> None:
    folder = Path(arguments[0])
    print(f"pulumi {install(folder, os.uname().machine, _fetch, os.environ.get('PULUMI_SHA256'))} in {folder}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
