"""`make plan` and the refusals around it."""

import json
import subprocess
from pathlib import Path

import pytest

from stacks import plan
from stacks.recording import Graph


def test_a_plan_is_every_resource_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prod: Graph) -> None:
    monkeypatch.setattr(plan, "graph", lambda _: prod)
    told = json.loads(plan.write("prod", tmp_path / "plan").read_text())
    assert [one["urn"] for one in told["resources"]] == [one.urn for one in prod.resources]
    assert set(told["exports"]) == set(prod.exports)


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["dev", "prod"]])
def test_an_environment_that_is_none_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main(arguments) == 2
    assert capsys.readouterr().err == "plan: name one of dev, prod, staging\n"


def test_prod_is_not_destroyed_without_its_name() -> None:
    ended = subprocess.run(["make", "destroy", "ENV=prod"], cwd=plan.ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "CONFIRM=destroy-prod" in ended.stderr
