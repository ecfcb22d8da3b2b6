"""Conditions on a resource's properties, with the words for a violation's message.

Reading a value that Pulumi does not know yet raises UnknownValueError, which makes the rule undecided.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MISSING: Any = None
"""The value of a property that is not set: AWS and Pulumi treat null in the same way."""


def values(props: Any, path: str) -> Iterator[Any]:
    """Yields every value at a path `a.b.*.c`, where `*` is each item of a list; MISSING if a step does not exist."""
    step, _, rest = path.partition(".")
    if not step:
        yield props
    elif step == "*":
        items = list(props) if is_list(props) else []
        for item in items or [MISSING]:
            yield from values(item, rest)
    elif isinstance(props, Mapping) and step in props:
        yield from values(props[step], rest)
    else:
        yield MISSING


def value(props: Any, path: str) -> Any:
    """Returns the value at a path such as `a.b` (the first one, if the path has `*`), or MISSING."""
    return next(values(props, path), MISSING)


def items(props: Any, path: str) -> list[Any]:
    """Returns the list at a path; a single value becomes a list of one, a missing one an empty list."""
    content = value(props, path)
    if content is MISSING:
        return []
    return list(content) if is_list(content) else [content]


def is_list(it: Any) -> bool:
    return isinstance(it, Sequence) and not isinstance(it, str)


@dataclass(frozen=True)
class Condition:
    """A condition on a value, as a function and in words; `bad` are example values that fail it, for tests."""

    words: str
    holds: Callable[[Any], bool]
    bad: tuple[Any, ...] = ()


def _same(actual: Any, expected: Any) -> bool:
    """Returns whether two values are equal; a boolean also equals its text, since some providers write it so."""
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
    """Returns a value as a number, even if AWS takes it as text; None if it is not a number."""
    try:
        return None if it is MISSING or isinstance(it, bool) else float(it)
    except (TypeError, ValueError):
        return None


def _in_range(least: float, most: float) -> Callable[[Any], bool]:
    return lambda it: (amount := number(it)) is not None and least <= amount <= most


def at_least(least: float) -> Condition:
    return Condition(f"{least:g} or more", _in_range(least, math.inf), (least - 0.5, 0))


def between(least: float, most: float) -> Condition:
    return Condition(f"from {least:g} to {most:g}", _in_range(least, most), (least - 1, most + 1))


def includes(*wanted: Any) -> Condition:
    words = f"a list with {', '.join(map(str, wanted))}"
    return Condition(words, lambda it: is_list(it) and set(wanted) <= set(it), ([],))


def count_at_least(least: int) -> Condition:
    return Condition(f"{least} or more, each once", lambda it: is_list(it) and len(set(it)) >= least, (["one"],))


def matches(pattern: str, words: str, *bad: str) -> Condition:
    return Condition(words, lambda it: isinstance(it, str) and re.search(pattern, it) is not None, bad)


@dataclass(frozen=True)
class Must:
    """A condition for the property at `path`. `default` is the value that AWS uses if the property is not set."""

    path: str
    condition: Condition
    default: Any = MISSING

    def faults(self, props: Any) -> Iterator[str]:
        for actual in values(props, self.path):
            judged = self.default if actual is MISSING else actual
            if not self.condition.holds(judged):
                is_now = "missing" if actual is MISSING else _shown(actual)
                yield f"{self.path} is {is_now}; it must be {self.condition.words}"


def _shown(content: Any, longest: int = 60) -> str:
    if isinstance(content, float):
        return f"{content:g}"
    text = str(list(content) if is_list(content) else dict(content) if isinstance(content, Mapping) else content)
    return text if len(text) <= longest else text[:longest] + "…"
