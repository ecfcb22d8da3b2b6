"""Writes policy findings as SARIF 2.1.0 (OASIS), for code scanning; each finding names its layer's Python file."""

from collections.abc import Iterable, Mapping
from typing import Any

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# GitHub shows a rule by a score (CVSS's scale).
_SCORES = {"low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}


def log(policies: Iterable[Mapping[str, Any]], findings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns a SARIF log: violations as errors or warnings, waived ones as suppressed, all others as notes."""
    rules = [_rule(policy) for policy in policies]
    places = {rule["id"]: place for place, rule in enumerate(rules)}
    driver = {"name": "rewards-policies", "rules": rules}
    results = [{**_result(finding), "ruleIndex": places[finding["policy"]]} for finding in findings]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": policy["name"],
        "shortDescription": {"text": policy["says"]},
        "help": {"text": policy["fix"]},
        "helpUri": policy["url"],
        "properties": {"tags": ["security", *policy["controls"]], "security-severity": _SCORES[policy["severity"]]},
    }


def _result(finding: Mapping[str, Any]) -> dict[str, Any]:
    stack = finding["urn"].split("::")[0].removeprefix("urn:pulumi:")
    level = {"violated": "error" if finding["level"] == "mandatory" else "warning", "waived": "warning"}
    result = {
        "ruleId": finding["policy"],
        "level": level.get(finding["state"], "note"),
        "message": {"text": f"{finding['urn'].split('::')[-1]}: {finding['what']}. {finding['fix']}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": f"stacks/{stack.partition('.')[0]}.py"},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": finding["urn"], "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"policyAndResource/v1": f"{finding['policy']} {finding['urn']}"},
    }
    waived = [{"kind": "external", "status": "accepted", "justification": finding["what"]}]
    return {**result, "suppressions": waived} if finding["state"] == "waived" else result
