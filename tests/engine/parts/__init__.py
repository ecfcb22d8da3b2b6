"""External programs that tests run: Pulumi's engine and Kubernetes provider, Kubernetes' control plane and autoscaler.

`python -m tests.engine.parts [NAME …]` builds them from Go modules, which go.mod and go.sum in a program's folder pin.
The build is cached in the user's cache folder under the hash of these files. Programs that are on PATH are not built.
Exit code 2 with one line: a program can be neither found nor built here.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


class Missing(Exception):
    """Raised for a program that this machine neither has nor can build; the message says what would help."""


@dataclass(frozen=True)
class Part:
    """A Go module from which programs are built; `programs` maps each program's name to its Go package.

    `flags` are linker flags, in which {version} stands for the version of `versioned`, a module of go.mod, such as
    v1.35.4, and {minor} for its second number. `files` are patterns of files that the programs need, in the folder of
    `source`, a module of go.mod: they are copied beside the programs.
    """

    programs: dict[str, str]
    versioned: str = ""
    flags: str = ""
    source: str = ""
    files: tuple[str, ...] = ()


PARTS = {
    "pulumi": Part(
        {"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        "github.com/pulumi/pulumi/sdk/v3",
        "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",
    ),
    "controlplane": Part(
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        },
        "k8s.io/kubernetes",
        " ".join(
            f"-X k8s.io/component-base/version.{name}={value}"
            for name, value in {"gitVersion": "{version}", "gitMajor": "1", "gitMinor": "{minor}"}.items()
        ),
    ),
    "etcd": Part({"etcd": "go.etcd.io/etcd/server/v3"}),
    # The newest version that the Go module proxy has. The Python SDK asks for a newer one, and the engine warns of it.
    "kubernetes-provider": Part(
        {"pulumi-resource-kubernetes": "."},
        flags="-X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=4.25.0",
    ),
    "kwok": Part({"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    # A name of its own: a `karpenter` on PATH buys EC2 instances.
    "karpenter": Part(
        {"karpenter-kwok": "."},
        source="sigs.k8s.io/karpenter",
        files=("pkg/apis/crds/*.yaml", "kwok/apis/crds/*.yaml"),
    ),
}


def program(name: str) -> Path | None:
    """Return the path of a program in the build cache or, failing that, on PATH; None if it is in neither."""
    part = next(part for part in PARTS if name in PARTS[part].programs)
    built, installed = _folder(part) / name, shutil.which(name)
    if built.exists():
        return built
    return Path(installed) if installed else None


def files(part: str) -> list[Path]:
    """Return the files that came with a part's programs; none if the part isn't built."""
    return sorted(_folder(part).glob("*.yaml"))


def absent(*names: str) -> str | None:
    """Return which of these programs the machine lacks, as the reason to skip a test; None if it has all."""
    lacking = [name for name in names if not program(name)]
    return f"this machine has no {', '.join(lacking)}: make engine builds them" if lacking else None


def make(part: str) -> str:
    """Build a Go module's programs unless they exist; return a line with their folder. Raises Missing."""
    if all(program(name) for name in PARTS[part].programs):
        return f"{part}: {program(next(iter(PARTS[part].programs)))}"
    if not shutil.which("go"):
        raise Missing(f"{part} is not on PATH, and there is no Go to build it: install Go {_go(part)} or newer")
    began = time.monotonic()
    folder = _folder(part)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Built beside its place and moved there whole: a build that was broken off leaves nothing that looks finished.
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        _build(part, Path(scratch) / "module", Path(scratch) / "programs")
        (Path(scratch) / "programs").rename(folder)
    return f"{part}: {folder}, built in {time.monotonic() - began:.0f} s"


def _folder(part: str) -> Path:
    """Return a Go module's folder in the cache, named by the hash of the files that pin the module."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pinned = hashlib.sha256(b"".join(file.read_bytes() for file in sorted((HERE / part).glob("*.*"))))
    return cache / "rewards" / "engine" / f"{part}-{pinned.hexdigest()[:16]}"


def _build(name: str, module: Path, programs: Path) -> None:
    part = PARTS[name]
    shutil.copytree(HERE / name, module)
    version = _list(module, "{{.Version}}", part.versioned) if part.versioned else "v0.0.0"
    for program_, package in part.programs.items():
        flags = f"-s -w {part.flags.format(version=version, minor=version.split('.')[1])}"
        _go_run(module, "build", "-trimpath", "-ldflags", flags, "-o", str(programs / program_), package)
    for pattern in part.files:
        for file in Path(_list(module, "{{.Dir}}", part.source)).glob(pattern):
            shutil.copyfile(file, programs / file.name)


def _go(part: str) -> str:
    lines = (HERE / part / "go.mod").read_text().splitlines()
    return next(line.removeprefix("go ") for line in lines if line.startswith("go "))


def _list(module: Path, shown: str, of: str) -> str:
    return _go_run(module, "list", "-m", "-f", shown, of).strip()


def _go_run(module: Path, *arguments: str) -> str:
    variables = {**os.environ, "GOFLAGS": "-buildvcs=false -mod=readonly", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    ended = subprocess.run(["go", *arguments], cwd=module, env=variables, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Missing(f"go {arguments[0]} failed: {ended.stderr.strip()[-600:]}")
    return ended.stdout


def main(names: Sequence[str]) -> int:
    if unknown := [name for name in names if name not in PARTS]:
        print(f"rewards: {', '.join(unknown)} is none of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    try:
        for name in names or PARTS:
            print(make(name), flush=True)
    except Missing as missing:
        print(f"rewards: {missing}", file=sys.stderr)
        return 2
    return 0
