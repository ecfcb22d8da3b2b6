"""Conditions on a resource's properties, with the words that describe a violation.

A value that is not known yet raises pulumi_policy's UnknownValueError when it is read: the rule is undecided.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MISSING: Any = None
"""AWS and Pulumi alike treat null as not given."""


def values(props: Any, path: str) -> Iterator[Any]:
    """Every value at `a.b.*.c`, where `*` is each item of a list; MISSING if a step does not exist."""
    step, _, rest = path.partition(".")
    if not step:
        yield props
    elif step == "*":
        items = list(props) if _is_list(props) else []
        for item in items or [MISSING]:
            yield from values(item, rest)
    elif isinstance(props, Mapping) and step in props:
        yield from values(props[step], rest)
    else:
        yield MISSING


def value(props: Any, path: str) -> Any:
    """The first value at a path, or MISSING."""
    return next(values(props, path), MISSING)


def items(props: Any, path: str) -> list[Any]:
    """The list at a path; a single value gives a list of one, a missing one an empty list."""
    content = value(props, path)
    if content is MISSING:
        return []
    return list(content) if _is_list(content) else [content]


def _is_list(it: Any) -> bool:
    return isinstance(it, Sequence) and not isinstance(it, str)


@dataclass(frozen=True)
class Condition:
    """What a value must be, in words and as a test; `bad` are values that the tests expect to fail."""

    words: str
    holds: Callable[[Any], bool]
    bad: tuple[Any, ...] = ()


def _same(actual: Any, expected: Any) -> bool:
    """Some providers write booleans as text."""
    return actual == expected or (isinstance(expected, bool) and actual == str(expected).lower())


def is_(wanted: Any, *bad: Any) -> Condition:
    opposite = (not wanted,) if isinstance(wanted, bool) else ("something-else",)
    return Condition(str(wanted).lower(), lambda it: _same(it, wanted), bad or opposite)


TRUE, FALSE = is_(True), is_(False)
GIVEN = Condition("given", lambda it: it is not MISSING and (not hasattr(it, "__len__") or len(it) > 0), ("",))


def one_of(*wanted: Any) -> Condition:
    return Condition(f"one of {', '.join(map(str, wanted))}", lambda it: it in wanted, ("something-else",))


def none_of(*unwanted: Any) -> Condition:
    words = f"none of {', '.join(map(str, unwanted))}"
    return Condition(words, lambda it: it is not MISSING and it not in unwanted, unwanted)


def number(it: Any) -> float | None:
    """Also reads numbers that AWS takes as text."""
    try:
        return None if it is MISSING or isinstance(it, bool) else float(it)
    except (TypeError, ValueError):
        return None


def at_least(least: float) -> Condition:
    def holds(it: Any) -> bool:
        amount = number(it)
        return amount is not None and amount >= least

    return Condition(f"{least:g} or more", holds, (least - 0.5, 0))


def between(least: float, most: float) -> Condition:
    def holds(it: Any) -> bool:
        amount = number(it)
        return amount is not None and least <= amount <= most

    return Condition(f"from {least:g} to {most:g}", holds, (least - 1, most + 1))


def includes(*wanted: Any) -> Condition:
    def holds(it: Any) -> bool:
        return _is_list(it) and set(wanted) <= set(it)

    return Condition(f"a list with {', '.join(map(str, wanted))}", holds, ([],))


def count_at_least(least: int) -> Condition:
    return Condition(f"{least} or more, each once", lambda it: _is_list(it) and len(set(it)) >= least, (["one"],))


def matches(pattern: str, words: str, *bad: str) -> Condition:
    return Condition(words, lambda it: isinstance(it, str) and re.search(pattern, it) is not None, bad)


@dataclass(frozen=True)
class Must:
    """A property and its condition. `default` is AWS's value when the property is not given."""

    path: str
    condition: Condition
    default: Any = MISSING

    def faults(self, props: Any) -> Iterator[str]:
        for actual in values(props, self.path):
            judged = self.default if actual is MISSING else actual
            if not self.condition.holds(judged):
                is_now = "missing" if actual is MISSING else f"{_shown(actual)}"
                yield f"{self.path} is {is_now}; it must be {self.condition.words}"


def _shown(content: Any, longest: int = 60) -> str:
    if isinstance(content, float):
        return f"{content:g}"
    text = str(list(content) if _is_list(content) else dict(content) if isinstance(content, Mapping) else content)
    return text if len(text) <= longest else text[:longest] + "…"
