"""Finds credentials in clear text, by a variable's name or value."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_NAMES = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY)", re.IGNORECASE)
_VALUES = re.compile(r"AKIA[0-9A-Z]{16}|://[^/@\s:]+:[^/@\s]+@|-----BEGIN [A-Z ]*PRIVATE KEY")
# A reference to a secret is none: an ARN, a path, the name of a parameter.
_PLACES = re.compile(r"arn:|/|https?://[^@]*$")


def clear_credentials(given: Mapping[str, Any]) -> Iterator[str]:
    for name in given:
        text = str(given[name] or "")
        if _VALUES.search(text) or (_NAMES.search(name) and text and not _PLACES.match(text)):
            yield f"{name} holds a credential"
