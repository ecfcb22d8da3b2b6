"""Finds credentials in clear text in environment variables, by their names or values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_NAMES = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY)", re.IGNORECASE)
_VALUES = re.compile(r"AKIA[0-9A-Z]{16}|://[^/@\s:]+:[^/@\s]+@|-----BEGIN [A-Z ]*PRIVATE KEY")
# References to a secret are no credentials: an ARN, a path, a parameter's name.
_PLACES = re.compile(r"arn:|/|https?://[^@]*$")


def clear_credentials(variables: Mapping[str, Any]) -> Iterator[str]:
    """Yields a violation for each environment variable that holds a credential."""
    for name, content in variables.items():
        text = str(content or "")
        if _VALUES.search(text) or (_NAMES.search(name) and text and not _PLACES.match(text)):
            yield f"{name} holds a credential"
