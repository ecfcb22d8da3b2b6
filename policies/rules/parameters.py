"""Database parameters: lists of names and values, under different keys in each service."""

from collections.abc import Iterator, Mapping

from policies.rules.properties import items, value
from policies.rules.rule import Subject

_KEYS = {"aws:redshiftserverless/workgroup:Workgroup": ("configParameters", "parameterKey", "parameterValue")}


def faults(subject: Subject, wanted: Mapping[str, str]) -> Iterator[str]:
    of_all, name, text_key = _KEYS.get(subject.type, ("parameters", "name", "value"))
    given = {parameter[name]: str(value(parameter, text_key)) for parameter in items(subject.props, of_all)}
    for key, text in wanted.items():
        if given.get(key) != text:
            yield f"parameter {key} is {given.get(key, 'missing')}; it must be {text}"
