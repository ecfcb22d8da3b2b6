"""Checks that each type of resource is judged by a rule, or that types.toml says why it needs none."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pulumi_policy import Severity

from policies.rules.rule import Config, Rule, Subject

FILE = Path(__file__).parent / "types.toml"


@dataclass(frozen=True)
class Listed:
    """The types in types.toml: `by` has the names of the rules that judge a type, `none` why it needs no rule."""

    by: Mapping[str, tuple[str, ...]]
    none: Mapping[str, str]

    def __post_init__(self) -> None:
        for type_, why in {**self.by, **self.none}.items():
            if not why or not all(why):
                raise ValueError(f"{type_} of types.toml: which rules judge it, or why does it need none?")

    def has(self, type_: str) -> bool:
        listed = {*self.by, *self.none}
        return type_ in listed or any(key.endswith(":") and type_.startswith(key) for key in listed)


def read(file: Path = FILE) -> Listed:
    """Reads types.toml. Raises ValueError if a type has neither rules nor a reason."""
    sections = tomllib.loads(file.read_text())
    return Listed({type_: tuple(names) for type_, names in sections["by"].items()}, sections["none"])


def unjudged(rules: Callable[[], Iterable[Rule]]) -> Rule:
    """Returns the rule that reports each resource whose type is named neither by another rule nor in types.toml."""
    listed = read()
    judged: dict[str, bool] = {}

    def check(subject: Subject, _: Config) -> Iterator[str]:
        type_ = subject.type
        if type_ not in judged:
            judged[type_] = listed.has(type_) or any(rule.names(type_) for rule in rules())
        if not judged[type_]:
            yield f"no rule judges resources of type {type_}"

    return Rule(
        "type-is-judged",
        "own.types",
        "Each type of resource has rules that judge it, or a reason to need none",
        "Write a rule for the type (policies/rules), or say in policies/rules/types.toml why it needs none",
        severity=Severity.HIGH,
        types=("*",),
        check=check,
        hollow=True,
    )
