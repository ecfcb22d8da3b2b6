"""Tests of prod's life by the Makefile's commands on Pulumi's real engine, with its confirmations.

The commands are run as from outside the VPC, so the runner deploys the layers that need Kubernetes' private API.
"""

import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.settings import Layer
from tests.conftest import Measured
from tests.engine import played_runner, providers
from tests.engine.conftest import KEPT, NEEDS_ENGINE, YES, Build, Make, larger_ledger

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    NEEDS_ENGINE,
]


@pytest.fixture(scope="module")
def environment() -> str:
    return "prod"


@pytest.fixture(scope="module")
def runner(
    make: Make,
    checkout: Path,
    world: providers.World,
    variables: dict[str, str],
    cloud: Callable[[str], Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Simulate prod's runner, which deploys the layers behind Kubernetes' private API with its own role."""
    for words in (["init", "--quiet"], ["add", "."]):  # what git lists is handed to the runner
        subprocess.run(["git", *words], cwd=checkout, check=True)
    del variables["INSIDE_VPC"]
    folder = tmp_path_factory.mktemp("runner")
    with played_runner.playing("prod", folder, variables, " ".join(["make", *KEPT]), world, cloud):
        yield


@pytest.fixture(scope="module")
def deployed(make: Make, runner: None) -> tuple[str, float]:
    """Deploy prod from an empty backend; return the output and the duration in seconds."""
    begun = time.monotonic()
    return make("deploy", "ENV=prod", YES), time.monotonic() - begun


def test_all_layers_go_up_from_an_empty_backend(
    deployed: tuple[str, float], world: providers.World, record_property: Measured
) -> None:
    for layer in Layer:
        assert world.of(f"{layer}.prod"), layer
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    record_property(
        "measured", f"engine: prod's {len(world.made)} resources up in {deployed[1]:.0f} s, {peak} MiB at most"
    )


def test_the_runner_deploys_what_is_in_kubernetes(deployed: tuple[str, float]) -> None:
    handed = re.findall(r"^# (\w+) of prod is for its runner: delivery-prod-runner:", deployed[0], re.MULTILINE)
    assert handed == ["cluster", "apps"]


def test_the_pipelines_builds_do_what_their_buildspecs_say(
    deployed: tuple[str, float], build: Build, world: providers.World, tmp_path: Path
) -> None:
    before = dict(world.made)
    data = {"ENVIRONMENT": "prod", "LAYERS": "data"}
    with larger_ledger(tmp_path / "checkout", "prod"):
        assert "~ 1 to update" in build("diff", "delivery-prod-diff", **data)
        assert world.made == before
        assert "~ 1 updated" in build("up", "delivery-prod-up-data", **data)
    assert "~ 1 updated" in build("up", "delivery-prod-up-data", **data)
    assert world.made == before


def test_nobody_destroys_it_without_saying_so(make: Make, deployed: tuple[str, float], world: providers.World) -> None:
    before = dict(world.made)
    for words in ([], ["CONFIRM=yes"], ["CONFIRM=destroy-dev"]):
        refused = make("destroy", "ENV=prod", YES, *words, status=2)
        assert "rewards: prod is destroyed by: make destroy ENV=prod CONFIRM=destroy-prod" in refused
    assert world.made == before


def test_what_holds_data_stays_even_when_it_is_said(
    make: Make, deployed: tuple[str, float], world: providers.World
) -> None:
    kept = {urn for urn in world.of("data.prod") if "aws:rds/cluster:Cluster" in urn or "aws:s3/bucket:Bucket" in urn}
    assert kept
    refused = make("destroy", "ENV=prod", "LAYERS=data", YES, "CONFIRM=destroy-prod", status=2)
    assert "protect" in refused
    assert kept <= world.of("data.prod")
