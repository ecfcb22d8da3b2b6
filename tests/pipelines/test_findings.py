"""Tests of the gate on what Inspector found in an image. moto has no coverage, so botocore's Stubber answers instead.

The Stubber checks each request and each answer against AWS's model.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pipelines import exceptions, findings
from pipelines.command import Refused

TODAY = date(2026, 11, 27)
DIGEST = "sha256:" + "a" * 64
REPOSITORY = "arn:aws:ecr:us-east-1:123456789012:repository/app-1a2b3c4"
IMAGE = f"{REPOSITORY}/{DIGEST}"
CVE = "CVE-2026-12345"
COVERAGE = {
    "filterCriteria": {
        "resourceType": [{"comparison": "EQUALS", "value": "AWS_ECR_CONTAINER_IMAGE"}],
        "resourceId": [{"comparison": "EQUALS", "value": IMAGE}],
    }
}
FINDINGS = {
    "filterCriteria": {
        "ecrImageHash": [{"comparison": "EQUALS", "value": DIGEST}],
        "findingStatus": [{"comparison": "EQUALS", "value": "ACTIVE"}],
    }
}
Run = Callable[..., int]


def covered(code: str = "ACTIVE", reason: str = "SUCCESSFUL") -> dict[str, Any]:
    """Return Inspector's answer about its scan of the image."""
    status = {"statusCode": code, "reason": reason}
    resource = {"resourceType": "AWS_ECR_CONTAINER_IMAGE", "resourceId": IMAGE, "accountId": "123456789012"}
    return {"coveredResources": [{**resource, "scanType": "PACKAGE", "scanStatus": status}]}


def finding(
    severity: str = "HIGH", fix: str | None = "YES", cve: str = CVE, packages: tuple[str, ...] = ("openssl",)
) -> dict[str, Any]:
    """Return a finding as Inspector answers it."""
    listed = [{"name": name, "version": "3.0.1", "fixedInVersion": "3.0.2"} for name in packages]
    day = "2026-11-27T00:00:00Z"
    return {
        "findingArn": "arn:aws:inspector2:us-east-1:123456789012:finding/1",
        "awsAccountId": "123456789012",
        "type": "PACKAGE_VULNERABILITY",
        "description": "It is bad",
        "remediation": {},
        "severity": severity,
        "firstObservedAt": day,
        "lastObservedAt": day,
        "status": "ACTIVE",
        "resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": IMAGE}],
        "packageVulnerabilityDetails": {"vulnerabilityId": cve, "source": "DEBIAN", "vulnerablePackages": listed},
        **({"fixAvailable": fix} if fix else {}),
    }


def exception(**differing: Any) -> str:
    usual = {"vulnerability": CVE, "package": "openssl", "reason": "Nothing calls it", "owner": "platform"}
    row = {**usual, "expires": TODAY, **differing}
    written = {key: f'"{it}"' if isinstance(it, str) else it for key, it in row.items() if it is not None}
    return "[[exception]]\n" + "\n".join(f"{key} = {it}" for key, it in written.items()) + "\n"


@pytest.fixture
def inspector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("inspector2", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")  # noqa: S106  it sends nothing
    regions: list[str] = []

    def answered(service: str, region_name: str) -> Any:
        regions.append(f"{service} {region_name}")
        return client

    monkeypatch.setattr(boto3, "client", answered)
    with Stubber(client) as stubbed:
        yield stubbed
        assert set(regions) <= {"inspector2 us-east-1"}
        stubbed.assert_no_pending_responses()
    client.close()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the command on the image, given the exceptions' text and where pauses are noted."""

    def call(text: str = "", image: str = IMAGE, pauses: list[float] | None = None) -> int:
        file = tmp_path / "exceptions.toml"
        file.write_text(text)
        waits: list[float] = [] if pauses is None else pauses
        return findings.main([image] if image else [], TODAY, waits.append, file)

    return call


def scanned(inspector: Stubber, *listed: dict[str, Any]) -> None:
    inspector.add_response("list_coverage", covered(), COVERAGE)
    inspector.add_response("list_findings", {"findings": list(listed)}, FINDINGS)


def test_an_image_without_findings_passes(inspector: Stubber, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    scanned(inspector)
    assert run() == 0
    assert capsys.readouterr().out == f"Inspector has scanned {DIGEST}\n"


@pytest.mark.parametrize(
    ("severity", "fix", "code"),
    [
        *(("CRITICAL", "YES", 1), ("HIGH", "YES", 1), ("HIGH", "PARTIAL", 1), ("HIGH", None, 1)),
        *(("CRITICAL", "NO", 0), ("HIGH", "NO", 0), ("MEDIUM", "YES", 0), ("LOW", "YES", 0), ("UNTRIAGED", "YES", 0)),
    ],
)
def test_what_is_grave_and_has_a_fix_stops(
    inspector: Stubber, run: Run, severity: str, fix: str | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    scanned(inspector, finding(severity, fix))
    assert run() == code
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("stops")] == [
        f"stops     {severity:10}{CVE}    openssl (fixed in 3.0.2)"
    ] * code
    assert any(line.startswith("no fix") for line in lines) == (fix == "NO")


def test_findings_of_all_pages_are_judged_each_on_a_line_of_its_own(
    inspector: Stubber, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    inspector.add_response("list_coverage", covered(), COVERAGE)
    first = {"findings": [finding("MEDIUM"), finding("LOW", cve="CVE-1")], "nextToken": "more"}
    inspector.add_response("list_findings", first, FINDINGS)
    second = {"findings": [finding(cve="CVE-2"), finding("CRITICAL", cve="CVE-3", packages=("curl", "libcurl"))]}
    inspector.add_response("list_findings", second, FINDINGS | {"nextToken": "more"})
    assert run() == 1
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "stops     HIGH      CVE-2             openssl (fixed in 3.0.2)",
        "stops     CRITICAL  CVE-3             curl (fixed in 3.0.2), libcurl (fixed in 3.0.2)",
        *("1 of severity low", "1 of severity medium"),
        f"Inspector has scanned {DIGEST}",
    ]
    assert output.err.count("\n") == 1
    assert "2 high or critical with a fix" in output.err


@pytest.mark.parametrize(
    ("differing", "code"),
    [
        ({}, 0),
        ({"expires": TODAY - timedelta(days=1)}, 1),
        ({"package": "curl"}, 1),
        ({"vulnerability": "CVE-2026-1"}, 1),
    ],
)
def test_an_exception_of_the_vulnerability_and_the_package_counts_to_its_last_day(
    inspector: Stubber, run: Run, differing: dict[str, Any], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    scanned(inspector, finding())
    assert run(exception(**differing)) == code
    output = capsys.readouterr().out
    assert ("excepted  HIGH" in output) == (code == 0)
    assert ("\nexpired " in output) == ("expires" in differing)
    assert ("\nunneeded " in output) == ("package" in differing or "vulnerability" in differing)
    assert "Nothing calls it (platform, until 2026-11-2" in output


def test_each_package_of_a_vulnerability_needs_its_exception(inspector: Stubber, run: Run) -> None:
    both = exception() + exception(package="libssl3")
    for text, code in ((exception(), 1), (both, 0)):
        scanned(inspector, finding(packages=("openssl", "libssl3")))
        assert run(text) == code


def test_one_vulnerability_in_two_findings_is_judged_twice(inspector: Stubber, run: Run) -> None:
    scanned(inspector, finding(), finding(packages=("pyopenssl",)))
    assert run(exception()) == 1


def test_a_finding_that_names_no_package_is_not_excepted(inspector: Stubber, run: Run) -> None:
    scanned(inspector, finding(packages=()))
    assert run(exception()) == 1


def test_the_scan_is_waited_for(inspector: Stubber, run: Run) -> None:
    pauses: list[float] = []
    inspector.add_response("list_coverage", {"coveredResources": []}, COVERAGE)
    for reason in ("PENDING_INITIAL_SCAN", "SCAN_IN_PROGRESS"):
        inspector.add_response("list_coverage", covered("INACTIVE", reason), COVERAGE)
    scanned(inspector, finding())
    assert run(pauses=pauses) == 1
    assert pauses == [15, 15, 15]


def test_the_wait_ends(inspector: Stubber, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    pauses: list[float] = []
    for _ in range(60):
        inspector.add_response("list_coverage", {"coveredResources": []}, COVERAGE)
    assert run(pauses=pauses) == 1
    assert sum(pauses) == 900
    assert "has not scanned" in capsys.readouterr().err


def test_an_image_that_inspector_can_not_scan_does_not_pass(
    inspector: Stubber, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    inspector.add_response("list_coverage", covered("INACTIVE", "UNSUPPORTED_OS"), COVERAGE)
    assert run() == 1
    assert "INACTIVE, UNSUPPORTED_OS" in capsys.readouterr().err


def test_a_refusal_of_awss_is_one_line(inspector: Stubber, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    inspector.add_client_error("list_coverage", "AccessDeniedException", "not you")
    assert run() == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("image", ["", REPOSITORY, f"{REPOSITORY}/latest", f"{REPOSITORY}/sha256:abc", DIGEST])
def test_an_image_without_its_digest_is_refused(
    inspector: Stubber, run: Run, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(image=image) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (exception(reason=None), "line 2: missing 1 required keyword-only argument: 'reason'"),
        (exception(owner=""), "line 2: owner: '' is no text"),
        (exception(expires="2027-01-01"), "line 2: expires: '2027-01-01' is no day"),
        (exception(package=None, packages="all"), "line 2: got an unexpected keyword argument 'packages'"),
        (exception(expires=TODAY + timedelta(days=91)), "line 2: it expires on 2027-02-26, later than 2027-02-25"),
        ("[[exceptions]]\n", "it holds exceptions alone"),
        ("[[exception]]\nvulnerability = CVE\n", "line 3, column"),
    ],
)
def test_a_malformed_exception_is_refused_with_its_line(
    inspector: Stubber, run: Run, text: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"# A comment\n{text}{exception()}") == 2
    error = capsys.readouterr().err
    assert place in error
    assert error.count("\n") == 1


def test_the_line_is_that_of_the_exception_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(exception() + exception(owner=""))
    with pytest.raises(Refused, match=r"exceptions.toml, line 7: owner"):
        exceptions.read(TODAY, file)


@pytest.mark.parametrize("text", ["exception = 3", "[exception]\na = 1", "[[ exception ]]"])
def test_what_is_no_table_of_exceptions_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(text)
    with pytest.raises(Refused, match="it holds exceptions alone"):
        exceptions.read(TODAY, file)


def test_an_exception_lasts_90_days_at_most(tmp_path: Path) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(exception(expires=TODAY + timedelta(days=90)))
    assert len(exceptions.read(TODAY, file)) == 1
    with pytest.raises(Refused, match="90 days"):
        exceptions.read(TODAY - timedelta(days=1), file)


def test_our_own_exceptions_can_be_read() -> None:
    assert all(len(each.reason) > 20 for each in exceptions.read(date.max - timedelta(days=90)))
