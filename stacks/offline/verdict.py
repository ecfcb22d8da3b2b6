"""Judges a graph of resources by the policy pack: findings with their fixes, counts by policy area, and a verdict."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from pulumi.runtime.proto import analyzer_pb2 as proto

from stacks.offline import pack, sarif
from stacks.offline.recording import Graph

_LEVELS = {proto.MANDATORY: "mandatory", proto.ADVISORY: "advisory"}


@dataclass(frozen=True)
class Finding:
    """A policy's finding about a resource. `state` is violated, waived, undecided, or exempt (it does not apply)."""

    state: str
    area: str
    policy: str
    controls: tuple[str, ...]
    severity: str
    level: str
    urn: str
    what: str
    fix: str
    url: str

    @property
    def stops(self) -> bool:
        return self.state == "violated" and self.level == "mandatory"

    @property
    def word(self) -> str:
        return "advised" if self.state == "violated" and not self.stops else self.state


@dataclass
class Report:
    """The result of judging an environment. `passed` counts resources and stacks that satisfy a policy, by area."""

    environment: str
    findings: list[Finding] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0
    peak_memory_mb: float | None = None
    policies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not any(finding.stops for finding in self.findings)

    def of(self, state: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.state == state]

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        report = {**asdict(self), "holds": self.holds}
        (folder / "policy.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
        (folder / "policy.sarif").write_text(json.dumps(sarif.log(self.policies, report["findings"]), indent=1) + "\n")

    def text(self) -> str:
        return "\n".join([*self._table(), *self._listed(), *self._end()]) + "\n"

    def _table(self) -> Iterator[str]:
        states = ("violated", "advised", "waived", "undecided", "exempt")
        counted: dict[str, Counter[str]] = {area: Counter() for area in dict.fromkeys(p["area"] for p in self.policies)}
        for finding in self.findings:
            counted[finding.area][finding.word] += 1
        yield f"{'area':20}{'passed':>10}" + "".join(f"{state:>11}" for state in states)
        for area, count in counted.items():
            yield f"{area:20}{self.passed.get(area, 0):10}" + "".join(f"{count[state]:11}" for state in states)

    def _listed(self) -> Iterator[str]:
        order = sorted(
            self.findings, key=lambda finding: (not finding.stops, finding.state, finding.area, finding.policy)
        )
        for _, alike in groupby(order, key=lambda finding: (finding.stops, finding.state, finding.policy)):
            first, *others = alike
            yield f"\n{first.word}: {first.policy} ({', '.join(first.controls)}; {first.severity})"
            for finding in (first, *others):
                yield f"  {finding.urn.split('::', 2)[-1]} of {_stack(finding.urn)}: {finding.what}"
            if first.state == "violated":
                yield f"  fix: {first.fix}"

    def _end(self) -> Iterator[str]:
        memory = f", {self.peak_memory_mb:.0f} MB" if self.peak_memory_mb else ""
        word = "holds" if self.holds else "does not hold"
        yield f"\n{self.environment} {word}: {len(self.policies)} policies in {self.seconds:.1f} s{memory}"


def _stack(urn: str) -> str:
    return urn.split("::", 1)[0].removeprefix("urn:pulumi:")


def judge(graph: Graph, environment: str, config: dict[str, Any] | None = None, today: date | None = None) -> Report:
    """Runs the policy pack, as a separate process, over an environment's stacks one at a time, as Pulumi does.

    Waivers and product versions are judged as of `today`; None means the current day.
    """
    providers = {
        resource.urn: resource for resource in graph.resources if resource.token.startswith("pulumi:providers:")
    }
    pairs = [
        (resource, providers.get(resource.provider.rsplit("::", 1)[0]))
        for resource in graph.resources
        if resource.stack.endswith(f".{environment}")
    ]
    begun = time.perf_counter()
    with pack.running(today) as running:
        running.configure(pack.settings(environment) if config is None else config)
        reader = _Reader(Report(environment), running.policies)
        for pair in pairs:
            reader.take(running.about(*pair), proto.POLICY_TYPE_RESOURCE, pair[0].urn)
        for stack in dict.fromkeys(resource.stack for resource, _ in pairs):
            reader.take(
                running.about_stack([pair for pair in pairs if pair[0].stack == stack]), proto.POLICY_TYPE_STACK
            )
        report = reader.report
        report.peak_memory_mb = running.peak_memory_mb()
    report.seconds = time.perf_counter() - begun
    return report


@dataclass
class _Reader:
    """Converts the policy pack's answers to findings, and counts policies without findings as passed."""

    report: Report
    infos: dict[str, Any]

    def __post_init__(self) -> None:
        self.report.policies = [described(info) for info in self.infos.values()]

    def take(self, answer: Any, kind: int, urn: str = "") -> None:
        silent = {name for name, info in self.infos.items() if info.policy_type == kind}
        for skipped in answer.not_applicable:
            silent.discard(skipped.policy_name)
            self._lines(skipped.policy_name, skipped.reason)
        for diagnostic in answer.diagnostics:
            silent.discard(diagnostic.policyName)
            what = diagnostic.message.removeprefix(f"{diagnostic.description}\n")
            if "during preview: " in what:
                self._lines(diagnostic.policyName, what.split("during preview: ", 1)[1], urn)
            else:
                what = what.split("\nFix: ")[0]
                self._add(
                    "violated", diagnostic.policyName, diagnostic.urn or urn, what, _LEVELS[diagnostic.enforcementLevel]
                )
        for name in silent:
            area = self.infos[name].tags[0]
            self.report.passed[area] = self.report.passed.get(area, 0) + 1

    def _lines(self, policy: str, text: str, urn: str = "") -> None:
        """Adds a finding for each line `<waived|undecided|exempt> <urn> <why>`; other lines become undecided ones."""
        for line in text.splitlines():
            state, _, rest = line.partition(" ")
            if state in {"waived", "undecided", "exempt"}:
                about, _, what = rest.partition(" ")
                self._add(state, policy, about, what)
            else:
                self._add("undecided", policy, urn, line)

    def _add(self, state: str, policy: str, urn: str, what: str, level: str = "") -> None:
        info = described(self.infos[policy])
        about = {key: info[key] for key in ("area", "severity", "fix", "url")}
        controls = tuple(info["controls"])
        finding = Finding(state=state, policy=policy, controls=controls, level=level, urn=urn, what=what, **about)
        self.report.findings.append(finding)


def described(info: Any) -> dict[str, Any]:
    area, *controls = info.tags
    severity = proto.PolicySeverity.Name(info.severity).removeprefix("POLICY_SEVERITY_").lower()
    return {
        "name": info.name,
        "area": area,
        "controls": controls,
        "severity": severity,
        "says": info.description,
        "fix": info.remediation_steps,
        "url": info.url,
    }
