"""Tests that the policy pack covers every control that security lists, and that its README is up to date."""

import re
from collections.abc import Iterator
from pathlib import Path

from policies.rules import frameworks, table
from policies.rules.pack import rules

LIST = Path(__file__).parents[2] / "policies" / "controls.md"
# What the list's shorthand says: `EC2.13/.14`, in a row whose area is a service `.1`, `CIS 6.3, 6.4`, `CKV_AWS_38/39`, `(115)`.
_ID = re.compile(
    r"CIS (?P<cis>[\d.]*\d(?:, [\d.]*\d)*)|CKV_AWS_(?P<ckv>\d+(?:/\d+)*)|\((?P<bare>\d{3})\)"
    r"|(?:(?P<service>[A-Z][A-Za-z0-9]+)|(?<!\w))\.(?P<number>\d+(?:/\.\d+)*)"
)


def listed(text: str) -> Iterator[str]:
    for row in re.findall(r"^\| ?([^|-][^|]*)\|(.*)\|$", text, re.MULTILINE):
        service = row[0].split(",")[0].strip()
        for match in _ID.finditer(row[1]):
            service = match["service"] or service
            if match["cis"]:
                yield from (f"CIS {number}" for number in match["cis"].split(", "))
            elif match["ckv"] or match["bare"]:
                yield from (f"CKV_AWS_{number}" for number in (match["ckv"] or match["bare"]).split("/"))
            else:
                yield from (f"{service}.{number}" for number in re.findall(r"\d+", match["number"]))


def covered() -> set[str]:
    return {control for _, rule in rules() for control in rule.controls}


def test_every_control_of_the_list_is_a_policy() -> None:
    demanded = set(listed(LIST.read_text()))
    assert len(demanded) > 100
    assert not demanded - covered()


def test_every_policy_names_controls_that_a_framework_knows() -> None:
    named = {rule.name: [frameworks.of(control) for control in rule.controls] for _, rule in rules()}
    assert named
    assert all(named.values())


def test_the_readme_is_what_the_pack_says() -> None:
    assert table.README.read_text() == table.text(), "run: python -m policies.rules.table"
