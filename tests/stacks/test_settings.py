"""Tests of a stack's settings: invalid ones are refused before any resource, with all errors in one message."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks import sizes
from stacks.offline import plan
from stacks.offline.recording import record
from stacks.program import run
from stacks.settings import InvalidSettings, Layer, Settings
from stacks.sizes import Size
from tests.stacks.graphs import ENVIRONMENTS

ROOT = Path(__file__).parent.parent.parent
OTHER_REGIONS = "arn:aws:rds:us-west-2:123456789012:cluster-snapshot:awsbackup:copyjob-1"
STACKS = sorted(path.stem.removeprefix("Pulumi.") for path in (ROOT / "stacks/config").glob("Pulumi.*.yaml"))


def read(stack: str, **differing: Any) -> Settings:
    return Settings.read(stack, plan.config(stack, **differing))


def errors_of(stack: str, **differing: Any) -> list[str]:
    with pytest.raises(InvalidSettings) as refused:
        read(stack, **differing)
    return refused.value.errors


def test_every_environment_has_a_file_for_each_layer_and_says_how_strict_its_policies_are() -> None:
    assert {"dev", "staging", "prod"} <= set(ENVIRONMENTS)
    assert set(STACKS) == {f"{layer}.{environment}" for layer in Layer for environment in ENVIRONMENTS}
    strictness = {path.stem for path in (ROOT / "policies" / "config").glob("*.json")}
    assert strictness == {*ENVIRONMENTS, "preview"}


def test_every_environment_has_a_domain_of_its_own_and_the_same_in_its_layers() -> None:
    """An environment without a domain would get dev's. The data layer does not use the domain."""
    layers = set(Layer) - {Layer.DATA}
    domains = [{read(f"{layer}.{environment}").domain for layer in layers} for environment in ENVIRONMENTS]
    assert [len(names) for names in domains] == [1] * len(ENVIRONMENTS)
    assert len(set.union(*domains)) == len(ENVIRONMENTS)


@pytest.mark.parametrize("stack", STACKS)
def test_every_file_in_the_repository_can_be_used(stack: str) -> None:
    settings = read(stack)
    assert f"{settings.layer}.{settings.environment}" == stack


def test_pulumi_yaml_declares_each_setting_with_its_default_and_no_other() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    ours = {str(field.alias) for field in Settings.model_fields.values()} - {"layer", "environment", "aws:region"}
    assert {f"rewards:{name}" for name in declared} == ours - {f"rewards:{name}" for name in sizes.TABLE}
    assert all("default" in spec and "type" in spec for spec in declared.values())


def test_pulumi_yaml_uses_only_types_that_pulumi_knows_and_stacks_keep_to_them() -> None:
    """Pulumi does not know the type `number`: the engine would refuse the whole project."""
    kinds = {"string": str, "integer": int, "boolean": bool, "array": list}
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert {spec["type"] for spec in declared.values()} <= set(kinds)
    for name, spec in declared.items():
        assert type(spec["default"]) is kinds[spec["type"]], name
    for path in (ROOT / "stacks/config").glob("*.yaml"):
        for key, value in yaml.safe_load(path.read_text())["config"].items():
            space, name = key.split(":")
            if space != "aws" and name not in sizes.TABLE:
                assert type(value) is kinds[declared[name]["type"]], (path.name, key)


def test_a_size_has_a_figure_for_each_setting_that_it_chooses_and_says_what_it_is() -> None:
    for name, row in sizes.TABLE.items():
        assert set(row) == {"is", *Size}, name
        assert row["is"], name
        assert {type(row[size]) for size in Size} <= {type(row["standard"]), int, float}, name


@pytest.mark.parametrize("size", Size)
@pytest.mark.parametrize("stack", STACKS)
def test_every_environment_can_have_every_size(stack: str, size: Size) -> None:
    assert read(stack, size=size.value).size is size


@pytest.mark.parametrize("name", sizes.TABLE)
def test_every_figure_of_a_size_can_be_set_by_itself(name: str) -> None:
    """Sets each figure to the value of another size, in a stack of size small."""
    field = next(key for key, field in Settings.model_fields.items() if field.alias == f"rewards:{name}")
    small, row = read("data.dev"), sizes.TABLE[name]
    other = next((row[size] for size in Size if row[size] != row["small"]), row["small"])
    allowed = {
        "warehouseMultiZone": {"warehousePaused": False, "warehouseNodes": 2},
        "ledgerMinAcu": {"ledgerMaxAcu": 64},
    }
    changed = read("data.dev", **{name: other}, **allowed.get(name, {}))
    assert (getattr(changed, field) != getattr(small, field)) == (other != row["small"])


def test_all_layers_of_an_environment_and_dev_and_its_previews_have_one_size() -> None:
    by_environment = {
        environment: {read(f"{layer}.{environment}").size for layer in Layer} for environment in ENVIRONMENTS
    }
    assert by_environment == {"dev": {Size.SMALL}, "staging": {Size.STANDARD}, "prod": {Size.STANDARD}}
    assert read("apps.pr-7", expires="2026-12-01").size is Size.SMALL


def test_a_size_that_is_none_is_refused() -> None:
    assert errors_of("data.dev", size="tiny") == [
        "rewards:size: Input should be 'small', 'standard' or 'large', not 'tiny'"
    ]


def test_all_mistakes_are_told_at_once() -> None:
    errors = errors_of("base.prod", cidr="10.0.0.0/23", zones=["a", "b", "e"], nat="single", deletionProtection=False)
    assert errors == [
        "rewards:cidr: 10.0.0.0/23 is too small for its subnets: /22 or larger",
        "rewards:zones: us-east-1 has no e; it has a, b, c, d, f",
        "rewards:deletionProtection: prod's can't be off",
        "rewards:nat: single would let one zone's loss take prod's others along; per-zone",
    ]


def test_keys_and_types_are_told_together_too() -> None:
    assert errors_of("data.dev", ledgerMinACU=1, ledgerReaders="two", warehousePaused="yes", zones="a", nat="two") == [
        "rewards:ledgerMinACU is not a setting; see Pulumi.yaml and stacks/sizes.toml",
        "rewards:ledgerReaders: Input should be a valid integer, not 'two'",
        "rewards:nat: Input should be 'none', 'single' or 'per-zone', not 'two'",
        "rewards:warehousePaused: Input should be a valid boolean, not 'yes'",
        "rewards:zones: Input should be a valid array, not 'a'",
    ]


@pytest.mark.parametrize(
    ("stack", "differing", "message"),
    [
        ("base.dev", {"zones": ["a", "b", "c", "d"], "aws:region": "eu-west-1"}, "rewards:zones: eu-west-1 has no d"),
        ("base.dev", {"zones": ["a"], "ledgerReaders": 0, "warehouseEngine": "cluster"}, "rewards:zones: at least two"),
        ("base.dev", {"cidr": "8.8.0.0/16"}, "is not a private range"),
        ("base.dev", {"cidr": "10.0.0.1/16"}, "has host bits set"),
        ("base.dev", {"aws:region": "mars-1"}, "aws:region: mars-1"),
        ("base.dev", {"recoveryRegion": "us-east-1"}, "rewards:recoveryRegion"),
        ("base.dev", {"timeZone": "New York"}, "rewards:timeZone"),
        ("base.dev", {"alertEmail": "nobody"}, "rewards:alertEmail"),
        ("base.dev", {"domain": "rewards"}, "rewards:domain"),
        ("base.dev", {"peopleAudience": "web"}, "rewards:peopleIssuer: needs"),
        ("base.prod", {"zones": ["a", "b"]}, "rewards:zones: prod needs three"),
        ("data.dev", {"ledgerMinAcu": 0}, "rewards:ledgerMinAcu"),
        (
            "data.dev",
            {"ledgerSnapshot": "rewards-dev-final"},
            "rewards:ledgerSnapshot: rewards-dev-final is not the ARN",
        ),
        ("data.dev", {"ledgerSnapshot": OTHER_REGIONS}, "is not the ARN of a cluster snapshot in us-east-1"),
        ("data.dev", {"ledgerMinAcu": 8}, "rewards:ledgerMaxAcu"),
        ("data.dev", {"ledgerReaders": 3}, "rewards:ledgerReaders"),
        ("data.dev", {"journalRetentionHours": 23}, "rewards:journalRetentionHours"),
        ("data.dev", {"warehouseNodeType": "dc2.large"}, "rewards:warehouseNodeType"),
        ("data.dev", {"warehouseMultiZone": True, "warehouseNodes": 2}, "rewards:warehousePaused"),
        ("data.dev", {"warehouseEngine": "serverless", "zones": ["a", "b"]}, "rewards:warehouseEngine"),
        ("data.dev", {"warehouseRpu": 12}, "rewards:warehouseRpu"),
        ("data.dev", {"journalShards": -1}, "rewards:journalShards"),
        ("apps.dev", {"servicesApart": ["lottery"]}, "rewards:servicesApart: any of catalog"),
        ("cluster.dev", {"nodeFamilies": ["t", "p"]}, "rewards:nodeFamilies"),
        ("data.prod", {"ledgerReaders": 0}, "rewards:ledgerReaders"),
        ("cluster.dev", {"kubernetesVersion": "latest"}, "rewards:kubernetesVersion"),
        ("cluster.prod", {"clusterPublicRanges": ["0.0.0.0/0"]}, "rewards:clusterPublicRanges"),
        ("cluster.dev", {"clusterPublicRanges": ["198.51.100.0/24"]}, "rewards:adminRoleArns"),
        ("apps.dev", {"imageDigest": "latest"}, "rewards:imageDigest: latest is not a digest"),
        ("apps.dev", {"minReplicas": 9}, "rewards:minReplicas"),
        ("apps.prod", {"minReplicas": 2}, "rewards:minReplicas"),
        ("apps.dev", {"expires": "2026-12-01"}, "only a preview expires"),
        ("apps.pr-7", {"expires": "soon"}, "rewards:expires"),
        ("apps.pr-7", {}, "rewards:expires: nothing is not a day"),
    ],
)
def test_what_cannot_work_is_refused(stack: str, differing: dict[str, Any], message: str) -> None:
    errors = errors_of(stack, **differing)
    assert len(errors) == 1
    assert message in errors[0]


@pytest.mark.parametrize("stack", ["dev", "nothing.dev", "base", "base.", "base.DEV", "delivery"])
def test_a_stack_of_another_name_is_refused(stack: str) -> None:
    with pytest.raises(InvalidSettings, match=r"<layer>\.<environment>"):
        Settings.read(stack, plan.config("base.dev"))


def test_a_preview_has_no_layer_of_its_own_but_apps() -> None:
    with pytest.raises(InvalidSettings, match="only an apps stack"):
        Settings.read("data.pr-7", plan.config("apps.pr-7", expires="2026-12-01"))


def test_the_program_itself_refuses_and_says_so_in_one_message() -> None:
    with pytest.raises(InvalidSettings) as refused:
        record("base.prod", run, plan.config("base.prod", nat="single", cidr="10.0.0.0/24"))
    assert str(refused.value).splitlines()[0] == "the settings of base.prod can't be used:"
    assert len(str(refused.value).splitlines()) == 3
