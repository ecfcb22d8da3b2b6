"""Exceptions to policy rules (waivers.toml): each for a resource and a control, with reason, owner and last day."""

import re
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

FILE = Path(__file__).parent.parent / "waivers.toml"


@dataclass(frozen=True)
class Waiver:
    """An exception to a policy rule. `resource` is a whole URN, or its end (`aws:s3/bucket:Bucket::archive`)."""

    resource: str
    control: str
    reason: str
    owner: str
    expires: date

    def __post_init__(self) -> None:
        if not (self.resource and self.control and self.reason and self.owner) or type(self.expires) is not date:
            raise ValueError(
                f"waiver of {self.control or 'nothing'}: resource, control, reason, owner and a day are needed"
            )

    def covers(self, urn: str, controls: tuple[str, ...]) -> bool:
        return self.control in controls and re.search(rf"(^|[$:]){re.escape(self.resource)}$", urn) is not None

    def holds(self, today: date) -> bool:
        """Whether the waiver is still valid on a day; its last day is included."""
        return today <= self.expires

    def text(self) -> str:
        return f"{self.reason} ({self.owner}, until {self.expires})"


def read(file: Path = FILE) -> tuple[Waiver, ...]:
    """Reads all waivers in the file. Raises TypeError if a waiver lacks a field, ValueError if a field is invalid."""
    return tuple(Waiver(**fields) for fields in tomllib.loads(file.read_text()).get("waiver", []))


def table(waivers: tuple[Waiver, ...], today: date) -> str:
    rows = [
        f"{waiver.control:20}{waiver.resource}\n{'':20}{waiver.text()}{'' if waiver.holds(today) else '  EXPIRED'}"
        for waiver in waivers
    ]
    return "\n".join(rows) or "no waivers"


if __name__ == "__main__":
    sys.stdout.write(table(read(), datetime.now(UTC).date()) + "\n")
