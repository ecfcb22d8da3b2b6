"""Versions of functions on moto: of exactly the packaged bytes; the alias moves only if asked to."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import publish

ENVIRONMENT = "pr-7"
NAMES = [f"rewards-{ENVIRONMENT}-{name}" for name in ("digest-anchor", "nightly-rewards")]


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", text)
    return buffer.getvalue()


@pytest.fixture
def client(cloud: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build" / "lambda").mkdir(parents=True)
    (tmp_path / "build" / "lambda" / "functions-abc-arm64.zip").write_bytes(zipped("new"))
    trust = {"Version": "2012-10-17", "Statement": []}
    iam, lambdas = cloud("iam"), cloud("lambda")
    role = iam.create_role(RoleName=tmp_path.name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    for name in [*NAMES, "rewards-pr-70-digest-anchor"]:
        lambdas.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role["Arn"],
            Handler="app.handler",
            Code={"ZipFile": zipped("old")},
            Publish=True,
        )
        lambdas.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    yield lambdas
    for name in [*NAMES, "rewards-pr-70-digest-anchor"]:
        lambdas.delete_function(FunctionName=name)


def alias(client: Any, name: str) -> str:
    version: str = client.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    return version


def test_each_function_gets_a_version_and_its_alias_stays_for_the_canary(client: Any, tmp_path: Path) -> None:
    assert publish.main([ENVIRONMENT], client) == 0
    assert {alias(client, name) for name in NAMES} == {"1"}
    assert (tmp_path / "build" / "versions.env").read_text() == "DIGEST_ANCHOR=2\nNIGHTLY_REWARDS=2\n"
    size = client.get_function(FunctionName=NAMES[0], Qualifier="2")["Configuration"]["CodeSize"]
    assert size == len(zipped("new"))


def test_a_preview_is_live_at_once(client: Any) -> None:
    assert publish.main([ENVIRONMENT, "--live"], client) == 0
    assert {alias(client, name) for name in NAMES} == {"2"}


def test_another_environments_functions_are_left_alone(client: Any) -> None:
    publish.main([ENVIRONMENT, "--live"], client)
    assert alias(client, "rewards-pr-70-digest-anchor") == "1"


def test_no_zip_two_zips_and_no_functions_are_refused(
    client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "build" / "lambda"
    assert publish.main(["pr-8"], client) == 2
    assert "pr-8 has no functions" in capsys.readouterr().err
    (folder / "functions-def-arm64.zip").write_bytes(b"")
    assert publish.main([ENVIRONMENT], client) == 2
    assert "which commit's is meant" in capsys.readouterr().err
    for path in folder.glob("*.zip"):
        path.unlink()
    assert publish.main([ENVIRONMENT], client) == 2
    assert "make package" in capsys.readouterr().err
    assert publish.main([], client) == 2
