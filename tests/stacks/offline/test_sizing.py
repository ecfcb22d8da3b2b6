"""Tests of what `make plan` prints about sizes: their costs, the settings behind the costs, and the warehouses."""

import re
from pathlib import Path

import pytest

from stacks.offline import cost, plan, sizing
from stacks.offline.cost import Prices
from stacks.offline.plan import Plan
from stacks.settings import Settings
from stacks.sizes import Size
from tests.policies.cases import RULES
from tests.stacks.graphs import graph_of


def data_of(environment: str, **differing: object) -> Settings:
    stack = f"data.{environment}"
    return Settings.read(stack, plan.config(stack, **differing))


def test_each_line_names_settings_policies_and_types_that_there_are() -> None:
    known = {str(field.alias).removeprefix("rewards:") for field in Settings.model_fields.values()}
    for token, lever in sizing.LEVERS.items():
        assert token in cost.USES
        assert set(lever.settings) <= known, token
        assert set(lever.held_by) <= set(RULES), token


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_every_line_of_five_dollars_or_more_has_a_name(environment: str) -> None:
    by_type = cost.estimate(graph_of(environment), Prices.read())["by_type"]
    builds = {"aws:codebuild/project:Project", "aws:codepipeline/pipeline:Pipeline", "aws:backup/vault:Vault"}
    addresses = {"aws:ec2/eip:Eip", "aws:s3/bucket:Bucket"}
    dear = {token for token, typed in by_type.items() if typed["usd"]["busy"] >= 5}
    assert dear - builds - addresses <= set(sizing.LEVERS)


def test_the_hours_from_which_a_cluster_is_cheaper_can_be_done_by_hand() -> None:
    """Two nodes at 0.543 run 65 of 168 hours; serverless takes 8 RPU at 0.375 in each hour of queries."""
    paused = sizing.hours_a_day(data_of("prod"), Prices.read())
    assert paused == pytest.approx(2 * 0.543 * 24 * 65 / 168 / (8 * 0.375))
    always = sizing.hours_a_day(data_of("prod", warehousePaused=False), Prices.read())
    assert always == pytest.approx(2 * 0.543 * 24 / (8 * 0.375))
    assert "(2 × ra3.large), paused at night" in sizing.warehouse(data_of("prod"), Prices.read())
    assert "(never)" in sizing.warehouse(data_of("prod", size="large", warehouseRpu=8), Prices.read())


def test_a_plan_tells_what_each_size_would_cost_and_the_five_largest_lines() -> None:
    of_dev = Plan.of("dev")
    by_size = of_dev.costs["by_size"]
    assert by_size[Size.SMALL] == of_dev.costs["usd_a_month"]
    for load in ("idle", "typical", "busy"):
        assert by_size["small"][load] < by_size["standard"][load] < by_size["large"][load]
    shown = of_dev.summary()
    assert "small (now)" in shown
    for load in ("idle", "busy"):
        _, _, told = shown.partition(f"The five largest lines when {load}")
        assert told.splitlines()[1:6] == list(sizing.largest(of_dev.costs["by_type"], load))
    assert of_dev.costs["warehouse"] in shown


def test_the_readme_tells_what_holds_each_line_of_size_small() -> None:
    readme = (Path(__file__).parents[3] / "stacks" / "README.md").read_text()
    _, _, table = readme.partition("Size small, idle")
    rows = re.findall(r"^\| [^|]+ \| (\d+) \| ([^|]*)\|$", table.partition("## ")[0], re.MULTILINE)
    idle = cost.estimate(graph_of("dev"), Prices.read())["usd_a_month"]["idle"]
    assert sum(float(usd) for usd, _ in rows) == pytest.approx(idle, rel=0.02)
    assert {name for _, held in rows for name in re.findall(r"`([a-z0-9-]+)`", held)} <= set(RULES)
