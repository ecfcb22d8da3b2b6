"""The functions' code as one zip for each architecture: `make package`, or `python -m pipelines.packaging arm64`.

One zip serves every function: they share the domains, a handler is a name in it, and what was tested together is
delivered together. The same commit gives the same bytes: the lock's wheels with their hashes enforced, the
application's files as git has them, sorted, without times, owners, tests or stale caches. Compiled code is in it, not
checked against its source (PEP 552), because Lambda's folder is read-only: without it each cold start compiles all
again, which takes several times as long. (Two zlibs may compress differently: compare zips of one build image.)

boto3 is in it, as locked: the runtime's own moves without notice, and is not what was tested.
AWS's limits: 50 MB zipped for an upload, 250 MB unzipped.
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

Architecture = Literal["arm64", "x86_64"]
LOCK = "requirements/app.txt"
# What a zip is made of: a change here that is not committed would have no name.
SOURCES = ("app", LOCK, "pipelines/packaging.py")
LIMIT_MB, UNZIPPED_LIMIT_MB = 50, 250
# A cold start loads it: one more library of this size should be noticed.
BUDGET_MB = 30
# Servers, the command line and migrations run in pods.
LEFT_OUT = frozenset(
    {
        *("alembic", "mako", "markupsafe", "sqlalchemy"),
        *("fastapi-offline", "h11", "httptools", "uvicorn", "uvloop"),
        *("click", "colorama", "markdown-it-py", "mdurl", "pygments", "pyyaml", "rich", "shellingham", "typer"),
    }
)
# botocore describes every service of AWS, Babel every language: those that the application calls and speaks.
SERVICES = frozenset({"kinesis", "kms", "rds", "redshift-data", "s3", "secretsmanager", "sts"})
_LANGUAGES = frozenset({"root.dat", "en.dat"})
# glibc 2.28: Lambda's Amazon Linux 2023 has 2.34.
_PLATFORMS: dict[Architecture, str] = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
_UNPACKED_ALIKE = ("METADATA", "entry_points.txt")  # the rest of a dist-info tells who installed it, and how
_UV = str(Path(sys.executable).with_name("uv"))
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date of the format


class Refused(Exception):
    """Nothing was packaged; the message says why and what to do."""


@dataclass(frozen=True)
class Package:
    path: Path
    megabytes: float
    sha256: str


def commit(root: Path, sources: Sequence[str] = SOURCES) -> str:
    """The commit of a tree whose packaged files are all committed. Raises Refused otherwise."""
    if changed := _git(root, "status", "--porcelain", "--", *sources).splitlines():
        named = ", ".join(line[3:] for line in changed[:3])
        raise Refused(f"{len(changed)} of the packaged files are not committed ({named}); commit or stash them")
    return _git(root, "rev-parse", "HEAD").strip()


def build(root: Path, path: Path, architecture: Architecture, python: str = RUNTIME.removeprefix("python")) -> Package:
    """Raises Refused if the package would be too large or the lock cannot be installed."""
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
    if zipped_mb > LIMIT_MB or unzipped_mb > UNZIPPED_LIMIT_MB:
        return (
            f"has {zipped_mb:.1f} MB, {unzipped_mb:.0f} unzipped; Lambda takes {LIMIT_MB} and {UNZIPPED_LIMIT_MB}: "
            "leave libraries out"
        )
    if zipped_mb > BUDGET_MB:
        return f"has {zipped_mb:.1f} MB; the budget is {BUDGET_MB}: leave libraries out, or raise it in a commit"
    return None


def requirements(lock: str) -> str:
    """The lock's entries with their hashes, without the packages that functions do not need."""
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
    """Removes what is neither imported nor read by importlib.metadata."""
    for path in sorted(target.rglob("*"), reverse=True):
        parts = path.relative_to(target).parts
        metadata = parts[0].endswith(".dist-info") and path.name not in _UNPACKED_ALIKE
        unread = metadata or parts[0] == "bin" or parts[0].startswith(".") or "tests" in parts or _is_foreign(parts)
        if path.is_file() and unread:
            path.unlink()


def _is_foreign(parts: tuple[str, ...]) -> bool:
    """Of a service that the application doesn't call, or a language that it doesn't speak."""
    match parts:
        case ("botocore", "data", service, _, *_):
            return service not in SERVICES
        case ("babel", "locale-data", language):
            return language not in _LANGUAGES
    return False


def _add_application(root: Path, target: Path) -> None:
    """Copies the application's committed files, without the one-machine runtime."""
    for name in _git(root, "ls-files", "-z", "--", "app").split("\0"):
        if name and not name.startswith("app/local/") and name != "app/Dockerfile":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target / name)


def interpreter_of(python: str = RUNTIME.removeprefix("python")) -> str:
    """The path of this Python version on this machine. Raises Refused if there is none."""
    search = _run([_UV, "python", "find", "--no-project", "--no-python-downloads", python])
    if search.returncode:
        raise Refused(f"no Python {python} here, whose compiled code the zip carries: put it on PATH")
    return search.stdout.strip()


def _compile(target: Path, python: str) -> None:
    """Compiles with the runtime's own Python, for Lambda's path; sets keep a fixed order, so that bytes repeat."""
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


def _git(root: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603, S607


def _tell_cold_imports(package: Package) -> None:
    """Prints each function's import time. Raises Refused if one exceeds the budget."""
    seconds = coldstart.measured(package.path, interpreter_of())
    for name, took in seconds.items():
        print(f"  {name:20}{took:6.2f} s cold import")
    if slow := [name for name, took in seconds.items() if took > coldstart.BUDGET_S]:
        raise Refused(f"{', '.join(slow)} takes more than {coldstart.BUDGET_S} s to import: import less, or later")


def main(architectures: Sequence[str]) -> int:
    root = Path(__file__).parent.parent
    try:
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
    except Refused as refused:
        print(f"rewards: {refused}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
