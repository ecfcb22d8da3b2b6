"""Conditions on a resource's properties, and what to call them when they do not hold.

A value that is not known yet raises pulumi_policy's UnknownValueError where it is touched: the rule is undecided.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MISSING: Any = None
"""AWS and Pulumi alike treat null as not given."""


def values(props: Any, path: str) -> Iterator[Any]:
    """Every value at `a.b.*.c`, where `*` is each item of a list; MISSING where a step leads nowhere."""
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
    """The first value at a path, MISSING where there is none."""
    return next(values(props, path), MISSING)


def items(props: Any, path: str) -> list[Any]:
    """The list at a path, one value as a list of one, nothing as an empty list."""
    found = value(props, path)
    if found is MISSING:
        return []
    return list(found) if _is_list(found) else [found]


def _is_list(it: Any) -> bool:
    return isinstance(it, Sequence) and not isinstance(it, str)


@dataclass(frozen=True)
class Condition:
    """What a value must be, in words; whether it is; and values that it is not, for the tests."""

    words: str
    holds: Callable[[Any], bool]
    bad: tuple[Any, ...] = ()


def _same(one: Any, other: Any) -> bool:
    """Some providers write booleans as texts."""
    return one == other or (isinstance(other, bool) and one == str(other).lower())


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
    """Numbers that AWS takes as texts are numbers too."""
    try:
        return None if it is MISSING or isinstance(it, bool) else float(it)
    except (TypeError, ValueError):
        return None


def at_least(least: float) -> Condition:
    def holds(it: Any) -> bool:
        found = number(it)
        return found is not None and found >= least

    return Condition(f"{least:g} or more", holds, (least - 0.5, 0))


def between(least: float, most: float) -> Condition:
    def holds(it: Any) -> bool:
        found = number(it)
        return found is not None and least <= found <= most

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
    """A property and its condition. `default` is what AWS takes where nothing is said."""

    path: str
    condition: Condition
    default: Any = MISSING

    def faults(self, props: Any) -> Iterator[str]:
        for found in values(props, self.path):
            judged = self.default if found is MISSING else found
            if not self.condition.holds(judged):
                is_now = "missing" if found is MISSING else f"{_shown(found)}"
                yield f"{self.path} is {is_now}; it must be {self.condition.words}"


def _shown(found: Any, longest: int = 60) -> str:
    if isinstance(found, float):
        return f"{found:g}"
    text = str(list(found) if _is_list(found) else dict(found) if isinstance(found, Mapping) else found)
    return text if len(text) <= longest else text[:longest] + "…"
