"""Tests of bringing prod's layers up in the recovery region, on Pulumi's real engine, from a copy of the database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine import providers
from tests.engine.conftest import NEEDS_ENGINE, YES, Make

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800), NEEDS_ENGINE]
SNAPSHOT = "arn:aws:rds:us-west-2:123456789012:cluster-snapshot:awsbackup:copyjob-1"


@pytest.fixture(scope="module")
def environment() -> str:
    return "prod"


@pytest.fixture(scope="module")
def settings(checkout: Path) -> Callable[[dict[str, Any]], None]:
    """Return a function that changes the settings of prod's layers in the checkout; None removes one."""

    def changed(differing: dict[str, Any]) -> None:
        for layer in ("base", "data"):
            file = checkout / "stacks" / "config" / f"Pulumi.{layer}.prod.yaml"
            written = yaml.safe_load(file.read_text())
            config = written["config"] | differing
            written["config"] = {name: value for name, value in config.items() if value is not None}
            file.write_text(yaml.safe_dump(written))

    return changed


def test_base_and_data_go_up_in_the_recovery_region_with_the_copied_database(
    make: Make, settings: Callable[[dict[str, Any]], None], world: providers.World
) -> None:
    """The layers above stand on these two; afterwards the setting may go, and no update replaces the cluster."""
    settings({"aws:region": "us-west-2", "rewards:recoveryRegion": "us-east-1", "rewards:ledgerSnapshot": SNAPSHOT})
    make("deploy", "ENV=prod", "LAYERS=base data", YES)
    (cluster,) = [inputs for urn, inputs in world.made.items() if "$aws:rds/cluster:Cluster::" in urn]
    assert cluster["snapshotIdentifier"] == SNAPSHOT
    vaults = [inputs for urn, inputs in world.made.items() if "$aws:backup/vault:Vault::" in urn]
    assert sorted(vault.get("region", "here") for vault in vaults) == ["here", "us-east-1"]
    before = dict(world.made)
    settings({"rewards:ledgerSnapshot": None})
    again = make("deploy", "ENV=prod", "LAYERS=data", YES)
    assert "replaced" not in again
    assert world.made == before
