"""Tests of publishing function versions on moto: exactly the packaged bytes, and no alias moves unless asked."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import delivered, publish

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


class Signer:
    """A fake of AWS Signer, which moto lacks: it reads the given version of a zip, and writes a signed copy."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.jobs: list[tuple[str, str, str]] = []

    def start_signing_job(self, *, source: Any, destination: Any, profileName: str) -> Any:  # noqa: N803  boto3's name
        place, job = source["s3"], f"job-{len(self.jobs)}"
        unsigned = self.s3.get_object(Bucket=place["bucketName"], Key=place["key"], VersionId=place["version"])
        key = f"{destination['s3']['prefix']}{job}.zip"
        self.s3.put_object(Bucket=destination["s3"]["bucketName"], Key=key, Body=unsigned["Body"].read() + b"signature")
        self.jobs.append((profileName, destination["s3"]["bucketName"], key))
        return {"jobId": job}

    def get_waiter(self, name: str) -> Any:
        assert name == "successful_signing_job"
        return self

    def wait(self, **_: Any) -> None:
        assert self.jobs

    def describe_signing_job(self, *, jobId: str) -> Any:  # noqa: N803  boto3's name
        _, bucket, key = self.jobs[int(jobId.removeprefix("job-"))]
        return {"signedObject": {"s3": {"bucketName": bucket, "key": key}}}


def test_functions_get_the_zip_that_the_profile_signed(
    client: Any, cloud: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = cloud("s3")
    s3.create_bucket(Bucket="signing")
    s3.put_bucket_versioning(Bucket="signing", VersioningConfiguration={"Status": "Enabled"})
    monkeypatch.setenv("SIGNING_PROFILE", "rewards_dev_1")
    monkeypatch.setenv("SIGNING_BUCKET", "signing")
    signer = Signer(s3)
    assert publish.main([ENVIRONMENT], client, s3=s3, signer=signer) == 0
    assert [profile for profile, _, _ in signer.jobs] == ["rewards_dev_1"]
    sizes = {client.get_function(FunctionName=name, Qualifier="2")["Configuration"]["CodeSize"] for name in NAMES}
    assert sizes == {len(zipped("new")) + len(b"signature")}
    monkeypatch.delenv("SIGNING_BUCKET")
    assert publish.main([ENVIRONMENT], client, s3=s3, signer=signer) == 2


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


def test_the_versions_that_are_live_are_recorded_for_the_apps_layer(
    client: Any, cloud: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    publish.main([ENVIRONMENT, "--live"], client)
    parameters = cloud("ssm")
    assert publish.main([ENVIRONMENT, "--record"], client, parameters) == 0
    read = parameters.get_parameters_by_path(Path=f"/rewards/delivered/{ENVIRONMENT}", Recursive=True)["Parameters"]
    folder = f"/rewards/delivered/{ENVIRONMENT}/functions"
    assert {parameter["Name"]: parameter["Value"] for parameter in read} == {
        f"{folder}/digest-anchor": "2",
        f"{folder}/nightly-rewards": "2",
    }
    assert "nightly-rewards: version 2 is live" in capsys.readouterr().out


def test_nothing_is_recorded_where_a_published_version_is_not_live(
    client: Any,
    cloud: Callable[[str], Any],
    in_the_cloud: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    publish.main([ENVIRONMENT], client)
    monkeypatch.setenv("NIGHTLY_REWARDS", "2")
    parameters = cloud("ssm")
    parameters.put_parameter(Name="/rewards/delivered/pr-7/image", Value="x", Type="String", Overwrite=True)
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(Path(__file__).parents[2])  # where dev's settings are, which name another region
        elsewhere.setenv("AWS_REGION", "eu-west-1")
        assert delivered.forget([ENVIRONMENT]) == 0
    assert publish.main([ENVIRONMENT, "--record"], client, parameters) == 1
    assert "nightly-rewards: version 1 is live, 2 was published" in capsys.readouterr().err
    assert not parameters.get_parameters_by_path(Path="/rewards/delivered/pr-7", Recursive=True)["Parameters"]


def test_what_was_delivered_is_forgotten_with_the_apps_layer(cloud: Callable[[str], Any], in_the_cloud: None) -> None:
    parameters = cloud("ssm")
    mine = [f"/rewards/delivered/rewards/functions/f{number}" for number in range(12)]
    others = "/rewards/delivered/rewards-2/image"
    for name in [*mine, "/rewards/delivered/rewards/image", others]:
        parameters.put_parameter(Name=name, Value="1", Type="String", Overwrite=True)
    assert delivered.forget(["prod"]) == 0
    left = parameters.get_parameters_by_path(Path="/rewards/delivered", Recursive=True)["Parameters"]
    assert [parameter["Name"] for parameter in left if "/rewards" in parameter["Name"][18:]] == [others]
    parameters.delete_parameter(Name=others)
    assert delivered.forget([]) == 2
