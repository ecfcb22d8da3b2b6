"""Fixtures of tests with Pulumi's real engine: a PATH with it and our language host, and a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation as auto

from tests.engine import judged_roles, language_host, parts, providers
from tests.engine.played_builds import Builds

ROOT = Path(__file__).parent.parent.parent
Open = Callable[[str], auto.Stack]
Make = Callable[..., str]
KEPT = [f"--old-file=.venv/{stamp}" for stamp in (".uv", ".local", ".all")]
"""Make must not install anything into this virtual environment, least of all the checkout."""
YES = "FLAGS=--yes --skip-preview"


_ABSENT = parts.absent("pulumi")
NEEDS_ENGINE = pytest.mark.skipif(_ABSENT is not None, reason=str(_ABSENT))  # with CI=true tests/skips.py refuses it


def change(module: Path, before: str, after: str) -> None:
    """Replace a text in a module of a checkout. Raises AssertionError if the module doesn't have it."""
    code = module.read_text()
    assert before in code
    module.write_text(code.replace(before, after))


@contextmanager
def larger_ledger(checkout: Path, environment: str) -> Iterator[None]:
    """Set the ledger's maximum capacity to 24 ACU in an environment's settings file while the `with` block runs.

    Pulumi's option `--config` would not do: it writes the setting into the stack's file and leaves it there.
    """
    file = checkout / "stacks" / "config" / f"Pulumi.data.{environment}.yaml"
    before = file.read_text()
    written = yaml.safe_load(before)
    file.write_text(yaml.safe_dump({**written, "config": written["config"] | {"rewards:ledgerMaxAcu": "24"}}))
    try:
        yield
    finally:
        file.write_text(before)


def attached(address: str, home: Path, packages: Sequence[str] = providers.PACKAGES) -> dict[str, str]:
    """Return environment variables by which Pulumi's engine uses stand-in providers for `packages`.

    It downloads nothing: it finds other packages' providers on PATH.
    """
    port = address.rpartition(":")[2]
    return {
        "PULUMI_HOME": str(home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DEBUG_PROVIDERS": ",".join(f"{package}:{port}" for package in packages),
    }


@pytest.fixture(scope="session")
def engine_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a PATH with `pulumi`, our language host and all other programs that `make engine` built."""
    folder = tmp_path_factory.mktemp("bin")
    language_host.write_command(folder)
    for part in parts.PARTS.values():
        for name in part.programs:
            if path := parts.program(name):
                (folder / name).symlink_to(path)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def world() -> providers.World:
    """The resources that the stand-in providers make, for tests to read."""
    return providers.World()


@pytest.fixture(scope="module")
def packages() -> Sequence[str]:
    """Return the packages whose providers are stand-ins."""
    return providers.PACKAGES


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project's Pulumi files, because the engine writes a salt into the stacks' files."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    shutil.copytree(ROOT / "stacks", folder / "stacks", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def stack(
    engine_path: str, project: Path, world: providers.World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Open]:
    """Yield a function that opens a Pulumi stack of the project by its name, with the state in a folder."""
    with providers.serving(world) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", engine_path)
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # or each program compiles pulumi_aws anew
        variables = attached(address, tmp_path_factory.mktemp("home")) | {
            "PULUMI_BACKEND_URL": tmp_path_factory.mktemp("state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "",
        }
        yield lambda name: auto.create_or_select_stack(
            name, work_dir=str(project), opts=auto.LocalWorkspaceOptions(env_vars=variables)
        )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tracked files with this virtual environment, in which commands may write settings."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def variables(
    engine_path: str,
    checkout: Path,
    world: providers.World,
    packages: Sequence[str],
    cloud_address: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """Yield the environment variables of somebody logged in to an AWS account, which moto and stand-ins simulate."""
    with providers.serving(world) as address:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_", "MAKE"))}
        yield (
            kept
            | attached(address, tmp_path_factory.mktemp("home"), packages)
            | {
                "PATH": engine_path,
                "AWS_ENDPOINT_URL": cloud_address,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "INSIDE_VPC": "true",  # as on the environment's runner, which reaches Kubernetes' private API
                "PYTHONPATH": f"{checkout}{os.pathsep}{checkout / 'platform'}",  # not the code that is installed
            }
        )


@pytest.fixture(scope="module")
def environment() -> str:
    """The name of the environment that the fixture `make` bootstraps."""
    return "dev"


@pytest.fixture(scope="module")
def make(
    environment: str,
    checkout: Path,
    variables: dict[str, str],
    cloud_address: str,
    cloud: Callable[[str], Any],
) -> Make:
    """Return a function that runs make in the checkout, after `make bootstrap`, and returns its output."""

    def call(*arguments: str, status: int = 0) -> str:
        ended = subprocess.run(
            ["make", *KEPT, *arguments], cwd=checkout, env=variables, capture_output=True, text=True, check=False
        )
        assert ended.returncode == status, ended.stdout[-9000:] + ended.stderr[-3000:]
        return ended.stdout + ended.stderr

    backend = re.search(r"PULUMI_BACKEND_URL='(.*)'", call("bootstrap", f"ENV={environment}", "FLAGS=--anyway"))
    assert backend
    # moto knows no conditions in policies: it takes "deny without TLS" for "deny". tests/pipelines looks at the policy.
    s3, bucket = cloud("s3"), f"rewards-{environment}-state-123456789012"
    s3.delete_bucket_policy(Bucket=bucket)
    moto = cloud_address.removeprefix("http://")
    variables["PULUMI_BACKEND_URL"] = f"{backend[1]}&endpoint={moto}&disableSSL=true&s3ForcePathStyle=true"
    return call


@pytest.fixture(scope="module")
def judge(world: providers.World, cloud: Callable[[str], Any]) -> Iterator[judged_roles.Judge]:
    """The judge of builds' calls to moto, by the policies of their roles."""
    with judged_roles.judging(world, cloud) as judge:
        yield judge


@pytest.fixture(scope="module")
def build(
    make: Make,
    checkout: Path,
    variables: Mapping[str, str],
    judge: judged_roles.Judge,
    tmp_path_factory: pytest.TempPathFactory,
) -> Builds:
    """Return a function that plays a build of a CodeBuild project, and returns its output."""
    return Builds(checkout, tmp_path_factory.mktemp("builds"), variables, KEPT, judge)
