"""Text that people type, in requests and feeds: its validation, stored form, and comparison.

A line is stored in NFC, trimmed, with single spaces. Invisible characters and spreadsheet formulas are refused. Names
are compared by `fold`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any
from unicodedata import normalize

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from app.formulas import is_formula

# C0 and C1 controls; soft hyphen and other invisible fillers; zero-width characters, line and paragraph separators,
# direction controls, tags, and noncharacters.
_UNSEEN = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U000e0000-\U000e00ff"
)
# Joiners and variation selectors, which some scripts and emoji need; after Latin or Greek letters they are invisible.
_JOINING = r"\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef"
_OUT_OF_PLACE = rf"(?:^|(?<=[\u0000-\u058f\u1e00-\u1fff]))[{_JOINING}]"
_NEVER_IN_LINE = re.compile(rf"[\t\n\r{_UNSEEN}]|{_OUT_OF_PLACE}")
_NEVER_IN_PROSE = re.compile(rf"[{_UNSEEN}]|{_OUT_OF_PLACE}")
_SPACES = re.compile(r"[ \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_IGNORED = re.compile(rf"[{_UNSEEN}{_JOINING}]")

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that PostgreSQL can't store: NUL and lone surrogates."""


@dataclass
class BadText(ValueError):
    """The error of a text: a code, a message, and how to fix it."""

    code: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.message}: {self.fix}"


def line(text: str) -> str:
    """Return a line in its stored form. Raises BadText if it has an invisible character."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if "  " in text else text.strip()
    return _seen(_SPACES.sub(" ", normalize("NFC", text)).strip(), _NEVER_IN_LINE)


def prose(text: str) -> str:
    """Return a text of any number of lines in its stored form. Raises BadText if it has an invisible character."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _seen(normalize("NFC", text).strip(), _NEVER_IN_PROSE)


def not_formula(text: str) -> str:
    """Return the text. Raises BadText if a spreadsheet would run it as a formula."""
    if is_formula(text):
        raise BadText("formula", "a spreadsheet would take it for a formula", "begin it with a letter or a digit")
    return text


def _seen(text: str, never: re.Pattern[str]) -> str:
    if match := never.search(text):
        message = f"it holds a character that can't be seen (U+{ord(match[0][0]):04X})"
        raise BadText("control-character", message, "remove it")
    return text


@lru_cache(4_096)
def fold(text: str) -> str:
    """Return a name's form for comparison, without differences in case, width, spaces and invisible characters."""
    folded = normalize("NFKC", normalize("NFKC", _IGNORED.sub("", text)).casefold())
    return " ".join(folded.split())


def voucher_code(text: str) -> str:
    """Return the canonical spelling of a voucher's code: folded, in upper case."""
    return fold(text).upper()


@dataclass(frozen=True)
class _Checked:
    """A pydantic annotation: `check` validates the text, and `schema` is added to its JSON Schema.

    Patterns in `schema` only approximate `check`, because a pattern can't express all its conditions.
    """

    check: Callable[[str], str]
    schema: Mapping[str, Any] = field(hash=False)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), **self.schema}


def _code_of(value: Any) -> Any:
    return voucher_code(value) if isinstance(value, str) else value


# Some validators' patterns know only 16-bit characters: the others are left to `line` and `prose`.
_UNSEEN_IN_SCHEMAS = _UNSEEN.partition(r"\U")[0]
NotFormula = _Checked(not_formula, {"not": {"pattern": r"^\s*[=+\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋]"}})
"""Refuses formulas, in names and descriptions, because exported tables contain them."""
Line = Annotated[str, _Checked(line, {"pattern": rf"^[^\t\n\r{_UNSEEN_IN_SCHEMAS}]*$"}), Field(min_length=1)]
"""One line of text without invisible characters."""
Prose = Annotated[str, _Checked(prose, {"pattern": f"^[^{_UNSEEN_IN_SCHEMAS}]*$"})]
"""Text of any number of lines without invisible characters."""
Name = Annotated[Line, Field(max_length=200), NotFormula]
VoucherCode = Annotated[str, Field(min_length=4, max_length=40, pattern="^[A-Z0-9-]+$"), BeforeValidator(_code_of)]


def shown(text: str) -> str:
    r"""Return the text with lone surrogates, which UTF-8 can't encode, written as `\ud800`."""
    return text.encode("utf-8", "backslashreplace").decode()
