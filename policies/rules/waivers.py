"""Exceptions to policy rules (waivers.toml): each for a resource and a control, with reason, owner and last day."""

import re
import sys
import tomllib
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path

FILE = Path(__file__).parent.parent / "waivers.toml"


@dataclass(frozen=True, kw_only=True)
class Excuse:
    """Why something forbidden is allowed, who answers for it, and until which day."""

    reason: str
    owner: str
    expires: date

    def __post_init__(self) -> None:
        for field in fields(self):
            given = getattr(self, field.name)
            if not given or type(given) is not field.type:
                raise ValueError(f"{field.name}: {given!r} is no {'day' if field.type is date else 'text'}")

    def holds(self, today: date) -> bool:
        """Whether the excuse is still valid on a day; its last day is included."""
        return today <= self.expires

    def text(self) -> str:
        return f"{self.reason} ({self.owner}, until {self.expires})"


@dataclass(frozen=True, kw_only=True)
class Waiver(Excuse):
    """An exception to a policy rule. `resource` is a whole URN, or its end (`aws:s3/bucket:Bucket::archive`)."""

    resource: str
    control: str

    def covers(self, urn: str, controls: tuple[str, ...]) -> bool:
        return self.control in controls and re.search(rf"(^|[$:]){re.escape(self.resource)}$", urn) is not None


def read(file: Path = FILE) -> tuple[Waiver, ...]:
    """Reads all waivers in the file. Raises TypeError if a waiver lacks a field, ValueError if one is empty."""
    return tuple(Waiver(**row) for row in tomllib.loads(file.read_text()).get("waiver", []))


def table(waivers: tuple[Waiver, ...], today: date) -> str:
    rows = [
        f"{waiver.control:20}{waiver.resource}\n{'':20}{waiver.text()}{'' if waiver.holds(today) else '  EXPIRED'}"
        for waiver in waivers
    ]
    return "\n".join(rows) or "no waivers"


if __name__ == "__main__":
    sys.stdout.write(table(read(), datetime.now(UTC).date()) + "\n")
