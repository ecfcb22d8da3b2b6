"""A rule: the resources that it judges, the controls that demand it, what violates it, and the fix.

`policy` makes a CrossGuard policy of it. Unknown values make a rule undecided, never passed; waived violations are
reported as such.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import date
from functools import cached_property, partial
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyComplianceFramework,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policies.rules import frameworks
from policies.rules.properties import Must
from policies.rules.waivers import Waiver


@dataclass(frozen=True)
class Subject:
    """A resource as rules see it. `links` are the URNs that each property's value comes from, known before ids are."""

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    provider: Mapping[str, Any] | None = None
    protect: bool = False
    links: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def environment(self) -> str:
        """Taken from `urn:pulumi:<layer>.<environment>::…`."""
        return self.urn.split(":")[2].partition(".")[2]

    @property
    def is_preview(self) -> bool:
        return self.environment.startswith("pr-")


@dataclass(frozen=True)
class Stack:
    subjects: tuple[Subject, ...]

    @cached_property
    def by_type(self) -> dict[str, list[Subject]]:
        by_type: dict[str, list[Subject]] = {}
        for subject in self.subjects:
            by_type.setdefault(subject.type, []).append(subject)
        return by_type

    def of(self, *types: str) -> list[Subject]:
        return [subject for type_ in types for subject in self.by_type.get(type_, [])]

    def about(self, subject: Subject, type_: str, link: str) -> list[Subject]:
        """The resources whose property `link` comes from the subject."""
        return [other for other in self.of(type_) if subject.urn in other.links.get(link, ())]


Config = Mapping[str, Any]
Check = Callable[[Subject, Config], Iterable[str]]
StackCheck = Callable[[Subject, Stack, Config], Iterable[str]]


@dataclass(frozen=True)
class Companion:
    """Another resource that must refer to the subject by `link` and satisfy the conditions."""

    type: str
    link: str
    musts: tuple[Must, ...] = ()

    def faults(self, subject: Subject, stack: Stack) -> Iterator[str]:
        kind = self.type.rsplit(":", 1)[-1]
        companions = stack.about(subject, self.type, self.link)
        if not companions:
            yield f"no {kind} is about it"
        for other in companions:
            for must in self.musts:
                yield from (f"{kind} {other.name}: {fault}" for fault in must.faults(other.props))


@dataclass(frozen=True)
class Verdict:
    """Violations, and what could not be decided."""

    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One row of an area's table. `listed` names the controls, separated by commas; `musts` are conditions by type.

    `musts` and `check` judge a resource by itself, `companions` and `stack_check` together with its stack.
    """

    name: str
    listed: str
    says: str
    fix: str
    musts: Mapping[str, tuple[Must, ...]] = field(default_factory=dict)
    _: KW_ONLY
    severity: Severity = Severity.MEDIUM
    types: tuple[str, ...] = ()
    check: Check | None = None
    companions: tuple[Companion, ...] = ()
    stack_check: StackCheck | None = None
    unless: Callable[[Subject, Stack], bool] | None = None
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    url: str = ""

    @cached_property
    def controls(self) -> tuple[str, ...]:
        return tuple(self.listed.split(", "))

    @property
    def looks_at_stack(self) -> bool:
        return bool(self.companions or self.stack_check)

    def about(self, type_: str) -> bool:
        """Whether the rule judges this type. Types ending in a colon or a slash are prefixes."""
        return type_ in self.musts or any(
            type_ == pattern or (pattern.endswith((":", "/")) and type_.startswith(pattern)) for pattern in self.types
        )

    def judge(self, subject: Subject, config: Config | None = None, stack: Stack | None = None) -> Verdict:
        settings = {**{key: schema["default"] for key, schema in self.config.items()}, **(config or {})}
        faults: list[str] = []
        unknown: list[str] = []
        for part in self._parts(subject, settings, stack or Stack((subject,))):
            try:
                for fault in part():
                    faults.append(fault)  # noqa: PERF402  what was found before the unknown counts
            except UnknownValueError as error:
                unknown.append(error.message)
        return Verdict(tuple(faults), tuple(unknown))

    def _parts(self, subject: Subject, settings: Config, stack: Stack) -> Iterator[Callable[[], Iterable[str]]]:
        for must in self.musts.get(subject.type, ()):
            yield partial(must.faults, subject.props)
        if check := self.check:
            yield lambda: check(subject, settings)
        if self.looks_at_stack and not (self.unless and self.unless(subject, stack)):
            for companion in self.companions:
                yield partial(companion.faults, subject, stack)
            if stack_check := self.stack_check:
                yield lambda: stack_check(subject, stack, settings)


def policy(rule: Rule, area: str, waivers: tuple[Waiver, ...], today: date) -> Policy:
    kind = StackValidationPolicy if rule.looks_at_stack else ResourceValidationPolicy
    validate = _of_stack(rule, waivers, today) if rule.looks_at_stack else _of_resource(rule, waivers, today)
    return kind(
        name=rule.name,
        description=rule.says,
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        config_schema=PolicyConfigSchema({key: dict(schema) for key, schema in rule.config.items()})
        if rule.config
        else None,
        severity=rule.severity,
        framework=PolicyComplianceFramework(
            name=frameworks.of(rule.controls[0]).name,
            version=frameworks.of(rule.controls[0]).version,
            reference=", ".join(rule.controls),
            specification=rule.says,
        ),
        tags=[area, *rule.controls],
        remediation_steps=rule.fix,
        url=rule.url or frameworks.url(rule.controls),
    )


def _of_resource(rule: Rule, waivers: tuple[Waiver, ...], today: date) -> Callable[..., None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if not rule.about(args.resource_type):
            args.not_applicable()
        provider = args.provider.props if args.provider else None
        subject = Subject(args.resource_type, args.name, args.urn, args.props, provider, args.opts.protect)
        _tell(args, report, [(subject, rule.judge(subject, args.get_config()))], rule, waivers, today)

    return validate


def _of_stack(rule: Rule, waivers: tuple[Waiver, ...], today: date) -> Callable[..., None]:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = Stack(tuple(map(_subject, args.resources)))
        about = [subject for subject in stack.subjects if rule.about(subject.type)]
        if not about:
            args.not_applicable()
        judged = [(subject, rule.judge(subject, args.get_config(), stack)) for subject in about]
        _tell(args, report, judged, rule, waivers, today)

    return validate


def _subject(resource: PolicyResource) -> Subject:
    links = {
        key: frozenset(source.urn for source in sources) for key, sources in resource.property_dependencies.items()
    }
    provider = resource.provider.props if resource.provider else None
    return Subject(
        resource.resource_type, resource.name, resource.urn, resource.props, provider, resource.opts.protect, links
    )


WAIVED, UNDECIDED = "waived", "undecided"


def _tell(
    args: ResourceValidationArgs | StackValidationArgs,
    report: ReportViolation,
    judged: list[tuple[Subject, Verdict]],
    rule: Rule,
    waivers: tuple[Waiver, ...],
    today: date,
) -> None:
    """Reports violations one by one, all waived or undecided ones in one text: a line of `<word> <urn> <why>` each."""
    lines: list[str] = []
    unknown = False
    for subject, verdict in judged:
        waiver = next((waiver for waiver in waivers if waiver.covers(subject.urn, rule.controls)), None)
        for fault in verdict.faults:
            if waiver and waiver.holds(today):
                lines.append(f"{WAIVED} {subject.urn} {fault}: {waiver.text()}")
            else:
                expired = f" (its waiver expired on {waiver.expires})" if waiver else ""
                report(f"{fault}{expired}\nFix: {rule.fix}", subject.urn)
        lines += [f"{UNDECIDED} {subject.urn} {what}" for what in verdict.unknown]
        unknown = unknown or bool(verdict.unknown)
    if unknown:
        raise Undecided("\n".join(lines))
    if lines:
        args.not_applicable("\n".join(lines))


class Undecided(UnknownValueError):
    """Pulumi reports it like any unknown value; the text names the resources."""

    def __init__(self, text: str) -> None:
        self.message = text
