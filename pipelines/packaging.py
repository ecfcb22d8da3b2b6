"""Packages the Lambda functions as one zip per architecture: `make package`, or `python -m pipelines.packaging arm64`.

All functions share one zip and differ in their handler, so code that was tested together is delivered together. The
same commit gives the same bytes: the lock file's wheels, checked by hash, and the application's files as committed, in
order, without times, owners, tests or stale caches. But zips from two build images may differ, as versions of zlib do.
The zip holds bytecode that Python does not check against its source (PEP 552): Lambda's folder is read-only, so without
bytecode each cold start would compile everything, which takes several times as long.

boto3 is included in its locked version, since the runtime's own version changes without notice. AWS's limits: 50 MB
zipped for an upload, 250 MB unzipped.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from platform import machine
from typing import Literal

from cloud.function import RUNTIME
from pipelines import coldstart
from pipelines.command import Refused, command, git

Architecture = Literal["arm64", "x86_64"]
LOCK = "requirements/app.txt"
# The files that a zip is made of. A zip is named by its commit, so all of them must be committed.
SOURCES = ("app", LOCK, "pipelines/packaging.py")
LIMIT_MB, UNZIPPED_LIMIT_MB = 50, 250
# The budget is lower than AWS's limit, because a cold start loads the zip: one more large library should be noticed.
BUDGET_MB = 30
# Packages that only servers, the command line and migrations need; these run in pods.
LEFT_OUT = frozenset(
    {
        *("alembic", "mako", "markupsafe", "sqlalchemy"),
        *("fastapi-offline", "h11", "httptools", "uvicorn", "uvloop"),
        *("click", "colorama", "markdown-it-py", "mdurl", "pygments", "rich", "shellingham", "typer"),
    }
)
# AWS services and languages that the application uses; the data of all others is removed from botocore and Babel.
SERVICES = frozenset({"eks", "kinesis", "kms", "rds", "redshift-data", "s3", "secretsmanager", "ssm", "sts"})
_LANGUAGES = frozenset({"root.dat", "en.dat"})
# glibc 2.28: Lambda's Amazon Linux 2023 has 2.34.
_PLATFORMS: dict[Architecture, str] = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
_UNPACKED_ALIKE = ("METADATA", "entry_points.txt")  # the other files of a dist-info differ by installer
_UV = str(Path(sys.executable).with_name("uv"))
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date of the format


@dataclass(frozen=True)
class Package:
    path: Path
    megabytes: float
    sha256: str


def commit(root: Path, sources: Sequence[str] = SOURCES) -> str:
    """Returns the hash of the commit checked out in `root`. Raises Refused for uncommitted changes in `sources`."""
    if changed := git("status", "--porcelain", "--", *sources, root=root).splitlines():
        named = ", ".join(line[3:] for line in changed[:3])
        raise Refused(f"{len(changed)} of the packaged files are not committed ({named}); commit or stash them")
    return git("rev-parse", "HEAD", root=root).strip()


def build(root: Path, path: Path, architecture: Architecture, python: str = RUNTIME.removeprefix("python")) -> Package:
    """Builds the zip at `path`. Raises Refused if it would be too large, or a locked package cannot be installed."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "task"
        _install(root, Path(folder), target, architecture, python)
        _prune(target)
        _add_application(root, target)
        _compile(target, python)
        files = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
        path.parent.mkdir(parents=True, exist_ok=True)
        _zip(path, files)
    package = Package(path, path.stat().st_size / 1e6, hashlib.sha256(path.read_bytes()).hexdigest())
    if refusal := too_large(package.megabytes, sum(len(content) for content in files.values()) / 1e6):
        path.unlink()
        raise Refused(f"{path.name} {refusal}")
    return package


def too_large(zipped_mb: float, unzipped_mb: float) -> str | None:
    """Returns why a zip of this size is refused, or None if it is not."""
    if zipped_mb > LIMIT_MB or unzipped_mb > UNZIPPED_LIMIT_MB:
        return (
            f"has {zipped_mb:.1f} MB, {unzipped_mb:.0f} unzipped; Lambda takes {LIMIT_MB} and {UNZIPPED_LIMIT_MB}: "
            "leave libraries out"
        )
    if zipped_mb > BUDGET_MB:
        return f"has {zipped_mb:.1f} MB; the budget is {BUDGET_MB}: leave libraries out, or raise it in a commit"
    return None


def requirements(lock: str) -> str:
    """Returns the lock file's entries with their hashes, without packages that the functions do not need."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if re.split(r"[=\[ ]", entry, maxsplit=1)[0] not in LEFT_OUT)


def _install(root: Path, folder: Path, target: Path, architecture: Architecture, python: str) -> None:
    locked = folder / "requirements.txt"
    locked.write_text(requirements((root / LOCK).read_text()))
    ran = _run(
        [
            *[_UV, "pip", "install", "--quiet", "--no-deps", "--no-build", "--require-hashes"],
            *["--python-platform", _PLATFORMS[architecture], "--python-version", python],
            *["--target", str(target), "--requirement", str(locked)],
        ]
    )
    if ran.returncode:
        raise Refused(f"the lock can't be installed for {architecture}: {ran.stderr.strip()}")


def _prune(target: Path) -> None:
    for path in sorted(target.rglob("*"), reverse=True):
        parts = path.relative_to(target).parts
        metadata = parts[0].endswith(".dist-info") and path.name not in _UNPACKED_ALIKE
        unread = metadata or parts[0] == "bin" or parts[0].startswith(".") or "tests" in parts or _is_foreign(parts)
        if path.is_file() and unread:
            path.unlink()


def _is_foreign(parts: tuple[str, ...]) -> bool:
    """Returns whether an installed file is data of AWS services or languages that the application does not use."""
    match parts:
        case ("botocore", "data", service, _, *_):
            return service not in SERVICES
        case ("babel", "locale-data", language):
            return language not in _LANGUAGES
    return False


def _add_application(root: Path, target: Path) -> None:
    """Copies the application's committed files, without app/local, which is for running everything on one machine."""
    for name in git("ls-files", "-z", "--", "app", root=root).split("\0"):
        if name and not name.startswith("app/local/") and name != "app/Dockerfile":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target / name)


def interpreter_of(python: str = RUNTIME.removeprefix("python")) -> str:
    """Returns the path of a Python of this version (pyenv's, uv's or the system's). Raises Refused if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    # pyenv puts programs on PATH that refuse a version which is not chosen in this folder, and uv stops at them.
    if kept := sorted(pyenv.glob(f"versions/{python}.*/bin/python{python}")):
        return str(kept[-1])
    search = _run([_UV, "python", "find", "--no-project", "--no-python-downloads", python])
    if search.returncode:
        raise Refused(f"no Python {python} here, whose compiled code the zip carries: put it on PATH")
    return search.stdout.strip()


def _compile(target: Path, python: str) -> None:
    """Compiles all modules to bytecode by Lambda's Python version; a fixed hash seed makes the same bytes each time."""
    interpreter, where = interpreter_of(python), ["-s", str(target), "-p", "/var/task"]
    ran = _run(
        [interpreter, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", *where, str(target)],
        PYTHONHASHSEED="0",
    )
    if ran.returncode:
        raise Refused(f"a module can't be compiled: {(ran.stdout + ran.stderr).strip()}")


def _zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # Lambda reads as another user
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])


def _run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})  # noqa: S603


def _tell_cold_imports(package: Package) -> None:
    """Prints each Lambda function's import time. Raises Refused if one takes longer than `coldstart.BUDGET` allows."""
    imports = coldstart.measured(package.path, interpreter_of())
    floor = " and ".join(coldstart.FLOOR)
    for name, took in imports.seconds.items():
        print(f"  {name:20}{took:6.2f} s cold import, {imports.ratio(name):.1f} times that of {floor}")
    if imports.slow:
        raise Refused(
            f"{', '.join(imports.slow)}: the import takes more than {coldstart.BUDGET:g} times that of {floor}: "
            "import less, or later"
        )


@command
def main(architectures: Sequence[str]) -> None:
    root = Path(__file__).parent.parent
    if unknown := set(architectures) - set(_PLATFORMS):
        raise Refused(f"{', '.join(sorted(unknown))} is none of {', '.join(_PLATFORMS)}")
    name = commit(root)[:12]
    for architecture in _PLATFORMS:
        if architectures and architecture not in architectures:
            continue
        package = build(root, root / "build" / "lambda" / f"functions-{name}-{architecture}.zip", architecture)
        print(f"{package.path.relative_to(root)}  {package.megabytes:.1f} MB  sha256:{package.sha256}")
        if architecture == machine().replace("aarch64", "arm64"):
            _tell_cold_imports(package)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
