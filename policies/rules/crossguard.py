"""Turns policy rules into policies of CrossGuard, Pulumi's policy engine, and reports their findings to Pulumi.

The report also lists waived violations, and resources to which a rule does not apply, each with the reason.
"""

from collections.abc import Callable
from datetime import date
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
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from policies.rules import frameworks
from policies.rules.rule import Config, Rule, Stack, Subject, Verdict
from policies.rules.waivers import Waiver


def policy(rule: Rule, area: str, waivers: tuple[Waiver, ...], today: date) -> Policy:
    """Returns a CrossGuard policy that applies a rule to one resource, or to a whole stack if the rule needs it."""
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
        _tell(args, report, [(subject, rule.judge(subject, _config(args, today)))], rule, waivers, today)

    return validate


def _of_stack(rule: Rule, waivers: tuple[Waiver, ...], today: date) -> Callable[..., None]:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = Stack(tuple(map(subject_of, args.resources)))
        about = [subject for subject in stack.subjects if rule.about(subject.type)]
        if not about:
            args.not_applicable()
        config = _config(args, today)
        judged = [(subject, rule.judge(subject, config, stack)) for subject in about]
        _tell(args, report, judged, rule, waivers, today)

    return validate


def _config(args: ResourceValidationArgs | StackValidationArgs, today: date) -> Config:
    return {**args.get_config(), "today": today}


def subject_of(resource: PolicyResource) -> Subject:
    links = {
        key: frozenset(source.urn for source in sources) for key, sources in resource.property_dependencies.items()
    }
    provider = resource.provider.props if resource.provider else None
    type_, props = resource.resource_type, resource.props
    if not props and type_.startswith("kubernetes:"):
        props = _Unknown()
    return Subject(type_, resource.name, resource.urn, props, provider, resource.opts.protect, links)


class _Unknown(dict[str, Any]):
    """The properties of a Kubernetes object whose cluster doesn't exist yet in a preview: each value is unknown."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> Any:
        raise UnknownValueError(UNKNOWN_STRING_VALUE, [key])


WAIVED, UNDECIDED, EXEMPT = "waived", "undecided", "exempt"


def _tell(
    args: ResourceValidationArgs | StackValidationArgs,
    report: ReportViolation,
    judged: list[tuple[Subject, Verdict]],
    rule: Rule,
    waivers: tuple[Waiver, ...],
    today: date,
) -> None:
    """Reports each violation; then, in one message, each waived violation, undecided condition and exempt resource."""
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
        lines += [f"{EXEMPT} {subject.urn} {verdict.exempt}"] * bool(verdict.exempt)
        unknown = unknown or bool(verdict.unknown)
    if unknown:
        raise Undecided("\n".join(lines))
    if lines:
        args.not_applicable("\n".join(lines))


class Undecided(UnknownValueError):
    """Raised if a policy can't decide because property values are unknown; Pulumi prints the message about them."""

    def __init__(self, text: str) -> None:
        self.message = text
