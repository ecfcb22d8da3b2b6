"""Builds app/Dockerfile without Docker, and runs programs from the image as Kubernetes runs them in a pod.

Debian's `buildah` builds it. Tests don't download the base image from its registry. A minimal Debian replaces it, which
`debootstrap` makes once and the user's cache keeps, with a copy of this machine's Python of the image's version.
`buildah run` knows neither a read-only root nor a memory limit, so programs start in a mount namespace.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud import pods
from pipelines import handover

ROOT = Path(__file__).parents[2]
RELEASE = "bookworm"
PROGRAMS = ("buildah", "debootstrap", "unshare", "chroot")
BASE, IMAGE = "localhost/rewards-base", "localhost/rewards"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_NOT_COPIED = ("__pycache__", "test", "idlelib", "tkinter", "_tkinter*", "turtledemo", "ensurepip", "*.a", "config-*")


def absent() -> str | None:
    """Return why this machine can't build the image, or None if it can."""
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    if lacking:
        return f"this machine has no {', '.join(lacking)}: apt-get install buildah debootstrap"
    return "only root can build the image" if os.geteuid() else None


@dataclass(frozen=True)
class Store:
    """A folder in which buildah keeps images, apart from the machine's own."""

    folder: Path

    def call(self, *arguments: str) -> str:
        """Run a buildah command and return what it printed. Raises CalledProcessError."""
        places = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        command = ["buildah", *places, "--storage-driver", "vfs", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def megabytes(self, image: str) -> float:
        root = Path(self.call("mount", self.call("from", image)))
        return sum(file.lstat().st_size for file in root.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6


def build(store: Store, interpreter: Path) -> "Image":
    """Build the stand-in for the base image, and on it the tracked files' image."""
    with tempfile.TemporaryDirectory(dir=store.folder) as scratch:
        base, context = Path(scratch) / "base", Path(scratch) / "context"
        shutil.copytree(_debian(), base, symlinks=True)
        _add_python(base, interpreter)
        container = store.call("from", "scratch")
        store.call("copy", container, str(base), "/")
        store.call("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        for variable in ("PIP_CERT", "SSL_CERT_FILE"):
            store.call("config", "--env", f"{variable}={_CERTIFICATES}", container)
        store.call("commit", "--quiet", "--rm", container, BASE)
        _lay_context(context)
        arguments = {"BASE": BASE, "MACHINE": platform.machine()}
        given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        store.call("bud", "--isolation", "chroot", "--network", "host", *given, "--tag", IMAGE, str(context))
    config = json.loads(store.call("inspect", "--type", "image", IMAGE))["Docker"]["config"]
    return Image(Path(store.call("mount", store.call("from", IMAGE))), config)


def _debian() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rewards" / "image"
    folder = cache / RELEASE
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            root = Path(scratch) / "root"
            subprocess.run(["debootstrap", "--variant=minbase", RELEASE, str(root)], check=True, capture_output=True)
            shutil.rmtree(root / "dev")  # a copy of its devices would be endless
            (root / "dev").mkdir()
            root.rename(folder)
    return folder


def _add_python(base: Path, interpreter: Path) -> None:
    """Copy a Python and the libraries that it needs into a root filesystem, with the machine's certificates."""
    version = f"python{_version(interpreter)}"
    prefix = interpreter.resolve().parent.parent
    library = base / "usr" / "local" / "lib"
    shutil.copytree(prefix / "lib" / version, library / version, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    for shared in (prefix / "lib").glob("libpython*.so*"):
        shutil.copy2(shared, library)
    for name in ("python", "python3", version):
        shutil.copy2(interpreter.resolve(), base / "usr" / "local" / "bin" / name)
    objects = [interpreter.resolve(), *(library / version / "lib-dynload").glob("*.so")]
    listed = subprocess.run(["ldd", *objects], check=True, capture_output=True, text=True).stdout
    for library_ in set(re.findall(r"=> (/\S+)", listed)):
        if not (base / library_.lstrip("/")).exists() and not library_.startswith(str(prefix)):
            (base / library_.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library_, base / library_.lstrip("/"))
    (base / str(_CERTIFICATES).lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(_CERTIFICATES, base / str(_CERTIFICATES).lstrip("/"))
    subprocess.run(["chroot", str(base), "ldconfig"], check=True)


def _version(interpreter: Path) -> str:
    shown = "import sys; print('{}.{}'.format(*sys.version_info))"
    return subprocess.run([interpreter, "-c", shown], check=True, capture_output=True, text=True).stdout.strip()


def _lay_context(context: Path) -> None:
    """Fill the build context as `make handover` does, but with the files of the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z", "app", "requirements"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, context / name)
    (context / "Dockerfile").write_text(handover.labelled((ROOT / handover.DOCKERFILE).read_text(), "0" * 40))


@dataclass(frozen=True)
class Image:
    """An image: the folder with its files, and its configuration as Docker has it."""

    files: Path
    config: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.config["Env"])

    def start(self, command: Sequence[str], memory_mib: int, **variables: str) -> "subprocess.Popen[str]":
        """Start a command as a pod does: the pods' user, nothing writable but /tmp, and no more memory than this."""
        group = _memory_group(memory_mib)
        join = [f"echo $$ > {group}/cgroup.procs"] if group else []
        mounts = [
            'mount --bind "$0" "$0"',
            'mount --rbind /dev "$0/dev"',
            'mount -t proc proc "$0/proc"',
            'mount -t tmpfs tmpfs "$0/tmp"',
            'mount -o remount,bind,ro "$0"',
            f'exec chroot --userspec={pods.USER}:{pods.USER} "$0" env --ignore-environment "$@"',
        ]
        environment = [f"{name}={value}" for name, value in {**self.environment, **variables}.items()]
        place = f"--chdir={self.config['WorkingDir']}"
        script = ["sh", "-ec", "\n".join([*join, *mounts]), str(self.files), place, *environment, *command]
        return subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", *script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _memory_group(mebibytes: int) -> Path | None:
    """Make a control group with this limit; return None where the machine lets nobody make one."""
    for parent, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(parent) / f"rewards-{mebibytes}"
        try:
            group.mkdir(exist_ok=True)
            (group / file).write_text(str(mebibytes << 20))
        except OSError:
            continue
        return group
    return None


def peak_mib(pid: int) -> int:
    """Return the most memory that a running process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024
