"""Tests of how a verdict is printed."""

from stacks.offline.verdict import Finding, Report


def finding(state: str, policy: str, name: str) -> Finding:
    urn = f"urn:pulumi:base.dev::rewards::aws:s3/bucket:Bucket::{name}"
    return Finding(state, "data", policy, ("S3.1",), "high", "mandatory", urn, f"{name} is open", "Close it", "")


def test_a_policys_findings_stand_under_its_name_with_its_fix_once() -> None:
    findings = [
        finding("violated", "closed", "a"),
        finding("waived", "closed", "b"),
        finding("violated", "closed", "c"),
    ]
    policies = [{"area": "data", "name": "closed"}]
    printed = Report("dev", findings, policies=policies).text()
    assert printed.count("violated: closed (S3.1; high)\n") == printed.count("waived: closed (S3.1; high)\n") == 1
    assert printed.count("fix: Close it") == 1
    violated, _, waived = printed.partition("waived: ")
    assert ("a is open" in violated, "c is open" in violated, "b is open" in waived) == (True, True, True)
