"""What text that people type may hold."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from app.formulas import is_formula

# C0 and C1 controls; zero-width characters, line and paragraph separators, and what turns the direction of text.
_NEVER = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
NEVER_IN_LINE = re.compile(rf"[\t\n\r{_NEVER}]")
NEVER_IN_PROSE = re.compile(rf"[{_NEVER}]")
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=rf"^[^\t\n\r{_NEVER}]*$")]
"""One line of text of which every character can be seen."""
Prose = Annotated[str, StringConstraints(strip_whitespace=True, pattern=rf"^[^{_NEVER}]*$")]
"""Such text of several lines, or none."""

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""What no text of the database holds: NUL, and halves of a surrogate pair."""


def _not_formula(text: str) -> str:
    if is_formula(text):
        raise ValueError("a spreadsheet would take it for a formula: begin it with a letter or a digit")
    return text


@dataclass(frozen=True)
class _NotFormula:
    """Refuses formulas, and says so in the documentation as far as JSON Schema can."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_not_formula, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "not": {"pattern": r"^\s*[=+\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋]"}}


NotFormula = _NotFormula()
"""For names and descriptions, which stand in tables that go out."""


Name = Annotated[Line, Field(max_length=200), NotFormula]


def shown(text: str) -> str:
    r"""The text with what UTF-8 can't say written as `\ud800`."""
    return text.encode("utf-8", "backslashreplace").decode()
