"""Policy rules as data: which resources a rule judges, by which conditions, for which security controls, and the fix.

Unknown values make a rule undecided, never passed. `crossguard.policy` makes a CrossGuard policy of a rule.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, partial
from typing import Any

from pulumi_policy import Severity
from pulumi_policy.proxy import UnknownValueError

from policies.rules.properties import Must


@dataclass(frozen=True)
class Subject:
    """A Pulumi resource that rules judge. `links` maps a property to the URNs of the resources whose outputs set it."""

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    provider: Mapping[str, Any] | None = None
    protect: bool = False
    links: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def environment(self) -> str:
        """The environment's name in the URN, `urn:pulumi:<layer>.<environment>::…`."""
        return self.urn.split(":")[2].partition(".")[2]

    @property
    def is_hollow(self) -> bool:
        """Whether this is a component whose inputs Pulumi hides from policies; the resources made by it are visible."""
        return not self.props and not self.type.startswith(("aws:", "kubernetes:", "pulumi:", "rewards:"))

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
        """Returns the resources of a type whose property `link` refers to the subject, such as a bucket's policies."""
        return [other for other in self.of(type_) if subject.urn in other.links.get(link, ())]


Config = Mapping[str, Any]
"""A policy's settings, and `today`: the day for which it judges."""
Check = Callable[[Subject, Config], Iterable[str]]
StackCheck = Callable[[Subject, Stack, Config], Iterable[str]]


@dataclass(frozen=True)
class Companion:
    """A second resource that a rule demands, such as a bucket's policy; its property `link` refers to the first."""

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
    """A rule's result for one resource: its violations, and the reasons why some conditions are undecided.

    `exempt` is the reason why the rule does not apply to the resource; empty text if it does.
    """

    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    exempt: str = ""


@dataclass(frozen=True)
class Rule:
    """A policy rule. `listed` names the security controls that demand it, separated by commas; `says` puts it in words.

    `musts` (values that properties must have, by resource type) and `check` judge one resource. `companions` (which
    other resources must stand beside it) and `stack_check` need its whole stack.
    Every resource of a type in `refuses` is a violation. In `types` and `refuses`, an entry that ends in a colon or
    slash is a prefix, and `*` means every type.
    """

    name: str
    listed: str
    says: str
    fix: str
    musts: Mapping[str, tuple[Must, ...]] = field(default_factory=dict)
    _: KW_ONLY
    severity: Severity = Severity.MEDIUM
    types: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    check: Check | None = None
    companions: tuple[Companion, ...] = ()
    stack_check: StackCheck | None = None
    unless: Callable[[Subject, Stack], bool] | None = None
    exempt: Callable[[Subject, Stack], str] | None = None
    """The reason why the rule does not apply to a resource; empty text if it does."""
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    url: str = ""
    hollow: bool = False
    """Whether the rule judges components without inputs too; other rules can't."""

    @cached_property
    def controls(self) -> tuple[str, ...]:
        return tuple(self.listed.split(", "))

    @property
    def looks_at_stack(self) -> bool:
        return bool(self.companions or self.stack_check)

    def about(self, type_: str) -> bool:
        """Returns whether the rule judges resources of the type `type_`."""
        return type_ in self.musts or _within((*self.types, *self.refuses), type_)

    def names(self, type_: str) -> bool:
        """Returns whether the rule names this resource type or its service, rather than all of a provider's types."""
        companions = tuple(companion.type for companion in self.companions)
        narrow = tuple(it for it in (*self.types, *self.refuses, *companions) if not it.endswith((":", "*")))
        return type_ in self.musts or _within(narrow, type_)

    def judge(self, subject: Subject, config: Config | None = None, stack: Stack | None = None) -> Verdict:
        settings = {**{key: schema["default"] for key, schema in self.config.items()}, **(config or {})}
        if subject.is_hollow and not self.hollow:
            return Verdict()
        faults: list[str] = []
        unknown: list[str] = []
        stack = stack or Stack((subject,))
        if self.exempt:
            with suppress(UnknownValueError):  # the rule itself is undecided then
                if reason := self.exempt(subject, stack):
                    return Verdict(exempt=reason)
        for part in self._parts(subject, settings, stack):
            try:
                for fault in part():
                    faults.append(fault)  # noqa: PERF402  what was found before the unknown counts
            except UnknownValueError as error:
                unknown.append(error.message)
        return Verdict(tuple(faults), tuple(unknown))

    def _parts(self, subject: Subject, settings: Config, stack: Stack) -> Iterator[Callable[[], Iterable[str]]]:
        for must in self.musts.get(subject.type, ()):
            yield partial(must.faults, subject.props)
        if _within(self.refuses, subject.type):
            yield lambda: (f"a {subject.type.rpartition(':')[2]} is made here",)
        if check := self.check:
            yield lambda: check(subject, settings)
        if self.looks_at_stack and not (self.unless and self.unless(subject, stack)):
            for companion in self.companions:
                yield partial(companion.faults, subject, stack)
            if stack_check := self.stack_check:
                yield lambda: stack_check(subject, stack, settings)


def _within(patterns: tuple[str, ...], type_: str) -> bool:
    return any(
        pattern in {type_, "*"} or (pattern.endswith((":", "/")) and type_.startswith(pattern)) for pattern in patterns
    )
