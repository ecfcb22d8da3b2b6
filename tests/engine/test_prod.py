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

from app.processes import FUNCTIONS
from stacks.settings import Layer
from tests.conftest import Measured
from tests.engine import played_delivery, played_runner, providers
from tests.engine.conftest import KEPT, NEEDS_ENGINE, YES, Make, change, larger_ledger
from tests.engine.judged_roles import Judge
from tests.engine.played_builds import Builds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    NEEDS_ENGINE,
]


@pytest.fixture(scope="module")
def environment() -> str:
    return "prod"


@pytest.fixture(scope="module")
def functions(cloud: Callable[[str], Any]) -> played_delivery.Functions:
    return played_delivery.Functions(cloud)


@pytest.fixture(scope="module")
def world(functions: played_delivery.Functions, cloud: Callable[[str], Any]) -> providers.World:
    return providers.World(happens=functions.happens, parameters=played_delivery.Stored(cloud("ssm")))


@pytest.fixture(scope="module")
def runner(
    make: Make,
    checkout: Path,
    variables: dict[str, str],
    judge: Judge,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Simulate prod's runner, which deploys the layers behind Kubernetes' private API with its own role."""
    for words in (["init", "--quiet"], ["add", "."]):  # what git lists is handed to the runner
        subprocess.run(["git", *words], cwd=checkout, check=True)
    del variables["INSIDE_VPC"]
    folder = tmp_path_factory.mktemp("runner")
    with played_runner.playing("prod", folder, variables, " ".join(["make", *KEPT]), judge):
        yield


@pytest.fixture(scope="module")
def deployed(make: Make, runner: None) -> tuple[str, float]:
    """Deploy prod from an empty backend; return the output and the duration in seconds."""
    begun = time.monotonic()
    return make("deploy", "ENV=prod", YES), time.monotonic() - begun


@pytest.fixture(scope="module")
def delivered(make: Make, deployed: tuple[str, float], checkout: Path) -> str:
    """Publish a zip as the second version of each function, make it live and record it; return what was printed."""
    folder = checkout / "build" / "lambda"
    folder.mkdir(parents=True)
    (folder / "functions-played-arm64.zip").write_bytes(played_delivery.zipped("delivered"))
    region = "AWS_DEFAULT_REGION=us-east-1"
    return "".join(make("publish", "ENV=prod", f"FLAGS={flags}", region) for flags in ("--live", "--record"))


@pytest.fixture(scope="module")
def shifted(make: Make, delivered: str, checkout: Path) -> str:
    """Deploy a function's new settings, by a canary that lasts three seconds instead of five minutes."""
    canary = checkout / "pipelines" / "canary.py"
    change(canary, "SHARE, MINUTES = 0.1, 5", "SHARE, MINUTES = 0.1, 0.05")
    change(canary, "_PAUSE_S = 10.0", "_PAUSE_S = 0.5")
    feeding = 'Function("vendor_feed", logins.FEEDING, seconds=300, memory_mb='
    change(checkout / "app" / "processes.py", f"{feeding}1024)", f"{feeding}1536)")
    return make("deploy", "ENV=prod", "LAYERS=apps", YES)


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
    deployed: tuple[str, float], build: Builds, world: providers.World, checkout: Path
) -> None:
    before = dict(world.made)
    with larger_ledger(checkout, "prod"):
        assert "~ 1 to update" in build("delivery-prod-diff", LAYERS="data")
        assert world.made == before
        assert "~ 1 updated" in build("delivery-prod-up-data", LAYERS="data")
    assert "~ 1 updated" in build("delivery-prod-up-data", LAYERS="data")
    assert world.made == before


def test_new_settings_of_a_function_become_live_by_the_runners_canary(
    shifted: str, judge: Judge, cloud: Callable[[str], Any]
) -> None:
    """The first version is what Pulumi uploads, the second was delivered, and the third has the new settings."""
    lambdas, feed = cloud("lambda"), "rewards-prod-vendor-feed"
    assert f"{feed}: version 3 has the new settings, and a tenth for 0.05 minutes" in shifted
    assert f"{feed}: version 3 is live" in shifted
    alias = lambdas.get_alias(FunctionName=feed, Name="live")
    assert alias["FunctionVersion"] == "3"
    assert not alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")
    sizes = [lambdas.get_function_configuration(FunctionName=feed, Qualifier=each)["MemorySize"] for each in "23"]
    assert sizes == [1024, 1536]
    recorded = dict(played_delivery.Stored(cloud("ssm")).items())
    versions = {name.rpartition("/")[2]: version for name, version in recorded.items() if "/functions/" in name}
    assert versions == {name: "3" if name == "vendor-feed" else "2" for name in FUNCTIONS}
    called = {call.partition(" on ")[0] for call in judge.allowed if call.startswith(("cloudwatch:", "lambda:"))}
    assert called >= {"cloudwatch:DescribeAlarms", "lambda:GetAlias", "lambda:PublishVersion", "lambda:UpdateAlias"}


def test_after_the_canary_a_deployment_changes_nothing_but_what_is_declared(
    make: Make, shifted: str, world: providers.World
) -> None:
    again = make("deploy", "ENV=prod", "LAYERS=apps", YES)
    assert "has the new settings" not in again
    (alias,) = [inputs for urn, inputs in world.made.items() if urn.endswith("aws:lambda/alias:Alias::vendor-feed")]
    assert alias["functionVersion"] == "3"


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
