"""Environment sizes (small, standard, large) and the default settings that each size gives, from sizes.toml."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any

TABLE = tomllib.loads((Path(__file__).parent / "sizes.toml").read_text())


class Size(StrEnum):
    SMALL = "small"
    STANDARD = "standard"
    LARGE = "large"


def figures(size: str) -> dict[str, Any]:
    """Returns the values that a size gives to settings such as `ledgerReaders`; an unknown size counts as standard."""
    return {name: row[size if size in set(Size) else Size.STANDARD] for name, row in TABLE.items()}
