"""Exceptions to the scan of images (exceptions.toml): each of a vulnerability in a package, with its end."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.command import Refused
from policies.rules.waivers import Excuse

FILE = Path(__file__).parent / "exceptions.toml"
MAX_DAYS = 90
"""An exception ends at most so many days from now, so that somebody looks at it each quarter."""

_KIND = "exception"


@dataclass(frozen=True, kw_only=True)
class Allowance(Excuse):
    """Lets a vulnerability in a package through. Both have Inspector's names, such as CVE-2026-12345 and openssl."""

    vulnerability: str
    package: str

    def covers(self, vulnerability: str, package: str) -> bool:
        return (self.vulnerability, self.package) == (vulnerability, package)


def read(today: date, file: Path = FILE) -> tuple[Allowance, ...]:
    """Reads all exceptions in the file, expired ones too. Raises Refused, with the line, for one that is malformed."""
    text = file.read_text()
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{file.name}: {error}") from error
    rows = document.get(_KIND, [])
    heads = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == f"[[{_KIND}]]"]
    if document.keys() - {_KIND} or not isinstance(rows, list) or len(heads) != len(rows):
        raise Refused(f"{file.name}: it holds exceptions alone, each after a line [[{_KIND}]]")
    return tuple(_allowance(row, today, f"{file.name}, line {line}") for row, line in zip(rows, heads, strict=True))


def _allowance(row: Mapping[str, Any], today: date, place: str) -> Allowance:
    try:
        allowance = Allowance(**row)
    except (TypeError, ValueError) as error:
        raise Refused(f"{place}: {str(error).removeprefix('Allowance.__init__() ')}") from error
    last = today + timedelta(days=MAX_DAYS)
    if allowance.expires > last:
        raise Refused(f"{place}: it expires on {allowance.expires}, later than {last}, {MAX_DAYS} days from now")
    return allowance
