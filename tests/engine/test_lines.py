"""Tests of the Makefile's commands on Pulumi's real engine, from an empty account: state in S3 and KMS, on moto."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import bootstrap
from stacks.settings import Layer
from tests.engine import played_runner, providers
from tests.engine.conftest import KEPT, NEEDS_ENGINE, YES, Make, larger_ledger
from tests.engine.judged_roles import Judge
from tests.engine.played_builds import Builds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_800),
    NEEDS_ENGINE,
]
BUCKET = "rewards-dev-state-123456789012"


def test_all_layers_can_be_previewed_before_anything_exists(make: Make, world: providers.World) -> None:
    """In such a preview, exports of lower layers are unknown, and so are all properties of objects in the cluster."""
    shown = make("diff", "ENV=dev")
    assert len(re.findall(r"^\s+\+ \d+ to create$", shown, re.MULTILINE)) == len(Layer)
    assert not world.made


@pytest.fixture(scope="module")
def deployed(make: Make) -> str:
    return make("deploy", "ENV=dev", YES)


def test_all_layers_go_up_from_an_empty_backend(deployed: str, world: providers.World) -> None:
    assert "error:" not in deployed
    for layer in Layer:
        assert world.of(f"{layer}.dev"), layer


def test_state_is_in_the_bucket_and_its_secrets_are_encrypted_under_the_key(
    deployed: str, checkout: Path, cloud: Callable[[str], Any]
) -> None:
    s3 = cloud("s3")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    for layer in Layer:
        (state,) = [key for key in keys if key.endswith(f"stacks/rewards/{layer}.dev.json")]
        deployment = json.loads(s3.get_object(Bucket=BUCKET, Key=state)["Body"].read())["checkpoint"]["latest"]
        provider = deployment["secrets_providers"]
        assert provider["type"] == "cloud"
        settings = yaml.safe_load((checkout / "stacks" / "config" / f"Pulumi.{layer}.dev.yaml").read_text())
        assert provider["state"]["url"] == settings["secretsprovider"]
        assert settings["secretsprovider"].startswith("awskms:///arn:aws:kms:")
        assert "passphrase" not in json.dumps(deployment)


def test_a_second_deployment_changes_nothing(make: Make, deployed: str, world: providers.World) -> None:
    before = dict(world.made)
    again = make("deploy", "ENV=dev", YES)
    assert len(re.findall(r"^\s+\d+ unchanged$", again, re.MULTILINE)) == len(Layer)
    assert not re.findall(r"^\s*[-+~] \d+ ", again, re.MULTILINE)
    assert world.made == before


def test_a_difference_is_shown_and_nothing_is_done(
    make: Make, deployed: str, checkout: Path, world: providers.World
) -> None:
    before = dict(world.made)
    with larger_ledger(checkout, "dev"):
        shown = make("diff", "ENV=dev", "LAYERS=data")
    assert re.search(r"~ 1 to update", shown)
    assert world.made == before


def test_inputs_that_the_schema_refuses_change_nothing(
    make: Make, deployed: str, checkout: Path, world: providers.World
) -> None:
    module = checkout / "platform" / "cloud" / "journal_stream.py"
    code, before = module.read_text(), dict(world.made)
    assert '"PROVISIONED"' in code
    module.write_text(code.replace('"PROVISIONED"', '"PROVIDED"'))
    try:
        refused = make("deploy", "ENV=dev", "LAYERS=data", YES, status=2)
    finally:
        module.write_text(code)
    assert "streamModeDetails.streamMode is 'PROVIDED', and AWS knows ON_DEMAND, PROVISIONED" in refused
    assert world.made == before


def test_what_was_refused_half_way_is_done_by_the_next_deployment(
    make: Make, deployed: str, checkout: Path, world: providers.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(world.made)
    gone = sorted(urn for urn in world.of("data.dev") if "aws:kinesis/stream:Stream" in urn)
    assert gone

    def refuses(token: str, inputs: Mapping[str, Any]) -> str | None:
        return "AWS is out of capacity" if token == "aws:rds/cluster:Cluster" else None  # noqa: S105  a type's token

    with larger_ledger(checkout, "dev"):
        with monkeypatch.context() as patch:
            patch.setattr(world, "refuses", refuses)
            assert "AWS is out of capacity" in make("deploy", "ENV=dev", "LAYERS=data", YES, status=2)
        assert "~ 1 updated" in make("deploy", "ENV=dev", "LAYERS=data", YES)
    assert "~ 1 updated" in make("deploy", "ENV=dev", "LAYERS=data", YES)
    assert world.made == before


def test_an_update_that_was_killed_is_gone_on_with(
    make: Make,
    deployed: str,
    checkout: Path,
    variables: Mapping[str, str],
    world: providers.World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make("destroy", "ENV=dev", "LAYERS=delivery", YES)
    begun, killed = threading.Event(), threading.Event()

    def waits(token: str, inputs: Mapping[str, Any]) -> None:
        if token == "aws:codepipeline/pipeline:Pipeline":  # noqa: S105  a type's token
            begun.set()
            killed.wait(60)

    with monkeypatch.context() as patch:
        patch.setattr(world, "refuses", waits)
        command = ["make", *KEPT, "deploy", "ENV=dev", "LAYERS=delivery", YES]
        update = subprocess.Popen(
            command, cwd=checkout, env=variables, stdout=subprocess.DEVNULL, start_new_session=True
        )
        assert begun.wait(240)
        os.killpg(update.pid, signal.SIGKILL)
        update.wait()
        killed.set()
    after = make("deploy", "ENV=dev", "LAYERS=delivery", YES)
    assert "delivery.dev: removed the lock of" in after
    assert "  aws:codepipeline/pipeline:Pipeline previews" in after
    assert "pending operations" not in after, "Pulumi's own warning comes again with each update"
    again = make("deploy", "ENV=dev", "LAYERS=delivery", YES)
    assert re.search(r"^\s+\d+ unchanged$", again, re.MULTILINE)
    assert "killed" not in again


def test_the_lock_of_somebody_elses_update_holds(
    make: Make, deployed: str, world: providers.World, cloud: Callable[[str], Any]
) -> None:
    lock = {"pid": 1, "username": "ann", "hostname": "build-1", "timestamp": "2026-11-27T01:00:00Z"}
    key = ".pulumi/locks/organization/rewards/base.dev/1.json"
    cloud("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(lock))
    before = dict(world.made)
    refused = make("deploy", "ENV=dev", YES, status=2)
    cloud("s3").delete_object(Bucket=BUCKET, Key=key)
    assert "created by ann@build-1 (pid 1)" in refused
    assert world.made == before


def images(world: providers.World, stack: str = "apps.dev") -> set[str]:
    return {
        inputs["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[2]
        for urn, inputs in world.made.items()
        if urn in world.of(stack) and "kubernetes:apps/v1:Deployment::" in urn
    }


def test_an_update_keeps_the_release_that_was_delivered(make: Make, deployed: str, world: providers.World) -> None:
    for number in "12":
        digest = "sha256:" + number * 64
        world.parameters["/rewards/delivered/rewards/image"] = digest
        world.parameters["/rewards/delivered/rewards/functions/vendor-feed"] = number
        make("deploy", "ENV=dev", "LAYERS=apps", YES)
        assert images(world) == {digest}
    make("deploy", "ENV=dev", "LAYERS=apps", "FLAGS=--yes --skip-preview --config rewards:minReplicas=4")
    assert images(world) == {digest}
    (alias,) = [inputs for urn, inputs in world.made.items() if urn.endswith("aws:lambda/alias:Alias::vendor-feed")]
    assert alias["functionVersion"] == "2"


def test_previews_go_up_and_down_and_leave_nothing(
    make: Make,
    deployed: str,
    world: providers.World,
    checkout: Path,
    variables: Mapping[str, str],
    cloud: Callable[[str], Any],
) -> None:
    before, parameters = dict(world.made), dict(world.parameters)
    kms = cloud("kms")  # moto has none of the keys that the stand-in provider makes
    kms.create_alias(AliasName=bootstrap.PREVIEWS_KEY, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    shown = make("preview", "PR=7", "DIGEST=sha256:" + "7" * 64)
    assert "PREVIEW_ADDRESS=https://pr-7.dev." in shown
    assert images(world, "apps.pr-7") == {"sha256:" + "7" * 64}
    assert {urn: inputs for urn, inputs in world.made.items() if urn in before} == before, "dev's own stay as they were"
    call = f"from pipelines import preview; preview.begin('8', '{'8' * 64}', __import__('datetime').date(2026, 1, 1))"
    subprocess.run([".venv/bin/python", "-c", call], cwd=checkout, env=variables, capture_output=True, check=True)
    assert world.of("apps.pr-8")
    assert "apps.pr-8" in make("previews-expired")
    assert world.of("apps.pr-7")
    assert not world.of("apps.pr-8")
    make("preview-end", "PR=7")
    assert (world.made, world.parameters) == (before, parameters)
    keys = [entry["Key"] for entry in cloud("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert not [key for key in keys if ".pr-" in key and key.endswith(".json") and "/stacks/" in key]
    assert not list((checkout / "stacks" / "config").glob("*.pr-*"))


def test_the_build_that_ends_previews_does_what_its_buildspec_says(
    build: Builds, deployed: str, world: providers.World
) -> None:
    """The other buildspecs that call `make` belong to prod's pipelines; tests.engine.test_prod runs them."""
    (project,) = [inputs for urn, inputs in world.made.items() if urn.endswith("Project::preview-expired")]
    given = {each["name"]: each["value"] for each in project["environment"]["environmentVariables"]}
    own = given["PULUMI_BACKEND_URL"]
    assert own.startswith(f"s3://{BUCKET}/previews?"), "apart from dev's, which it may not read"
    assert "no preview has expired" in build("delivery-dev-preview-expired")


def test_what_calls_kubernetes_private_api_is_done_by_the_runner(
    make: Make,
    deployed: str,
    checkout: Path,
    world: providers.World,
    variables: dict[str, str],
    judge: Judge,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for words in (["init", "--quiet"], ["add", "."]):  # what git lists is handed to the runner
        subprocess.run(["git", *words], cwd=checkout, check=True)
    monkeypatch.delitem(variables, "INSIDE_VPC")
    digest = "sha256:" + "3" * 64
    world.parameters["/rewards/delivered/rewards/image"] = digest
    with played_runner.playing("dev", tmp_path, variables, " ".join(["make", *KEPT]), judge):
        printed = make("deploy", "ENV=dev", "LAYERS=data cluster apps", YES)
        assert re.findall(r"^# (\w+) of dev is for its runner: delivery-dev-runner:", printed, re.MULTILINE) == [
            "cluster",
            "apps",
        ]
        assert images(world) == {digest}
        refused = make("deploy", "ENV=dev", "LAYERS=cluster", "FLAGS=--yes --config rewards:zones=x", status=2)
        assert "configuration key 'zones'" in refused
        assert re.search(r"rewards: the build delivery-dev-runner:\S+ ended as FAILED", refused)


def test_everything_goes_down_again_and_nothing_is_left(make: Make, deployed: str, world: providers.World) -> None:
    make("destroy", "ENV=dev", "FLAGS=--yes --skip-preview")
    assert not world.made
