"""Checks database parameters, which Aurora and Redshift list under different keys."""

from collections.abc import Iterator, Mapping

from policies.rules.properties import items, value
from policies.rules.rule import Subject

_KEYS = {"aws:redshiftserverless/workgroup:Workgroup": ("configParameters", "parameterKey", "parameterValue")}


def faults(subject: Subject, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yields a violation for each parameter in `wanted` that the resource sets to another value or does not set."""
    list_key, name_key, text_key = _KEYS.get(subject.type, ("parameters", "name", "value"))
    actual = {parameter[name_key]: str(value(parameter, text_key)) for parameter in items(subject.props, list_key)}
    for name, text in wanted.items():
        if actual.get(name) != text:
            yield f"parameter {name} is {actual.get(name, 'missing')}; it must be {text}"
