"""Text that people type: validation, normal form, and comparison.

Requests and feeds parse text here. A line is stored in NFC, trimmed, with single spaces; invisible characters and
spreadsheet formulas are refused. Names are compared by `fold`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any
from unicodedata import normalize

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from app.formulas import is_formula

# C0 and C1 controls; soft hyphen and other fillers that show nothing; zero-width characters, line and paragraph
# separators, what turns the direction of text, tags, and what is no character.
_UNSEEN = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U000e0000-\U000e00ff"
)
# Joiners and variation selectors belong to some scripts and to emoji; after letters of ours they show nothing.
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
    """A text's fault: a code, a message, and how to fix it."""

    code: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.message}: {self.fix}"


def line(text: str) -> str:
    """Return a line in its stored form. Raises BadText for an invisible character."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if "  " in text else text.strip()
    return _seen(_SPACES.sub(" ", normalize("NFC", text)).strip(), _NEVER_IN_LINE)


def prose(text: str) -> str:
    """Return text of zero or more lines in its stored form; inner spaces stay. Raises BadText as `line` does."""
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
    """Return a name's comparison key, equal for spellings that differ in case, width, spaces or invisible marks.

    Accents count: the key compares names, it does not search.
    """
    folded = normalize("NFKC", normalize("NFKC", _IGNORED.sub("", text)).casefold())
    return " ".join(folded.split())


def voucher_code(text: str) -> str:
    """Return the canonical spelling of a voucher's code."""
    return fold(text).upper()


@dataclass(frozen=True)
class _Written:
    """Puts text into its stored form, with a JSON Schema pattern as close as patterns allow."""

    several_lines: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(prose if self.several_lines else line, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        breaks = "" if self.several_lines else r"\t\n\r"
        return {**handler(schema), "pattern": f"^[^{breaks}{_UNSEEN_IN_SCHEMAS}]*$"}


# JSON Schema's patterns are of 16-bit characters in some validators: those beyond are left to us.
_UNSEEN_IN_SCHEMAS = _UNSEEN.partition(r"\U")[0]


@dataclass(frozen=True)
class _NotFormula:
    """Refuses formulas, with a JSON Schema pattern as close as patterns allow."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(not_formula, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "not": {"pattern": r"^\s*[=+\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋]"}}


@dataclass(frozen=True)
class _Code:
    """Puts a voucher's code into its canonical spelling before validation."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_code_of, handler(source))


def _code_of(value: Any) -> Any:
    return voucher_code(value) if isinstance(value, str) else value


NotFormula = _NotFormula()
"""For names and descriptions, which exported tables contain."""
Line = Annotated[str, _Written(), Field(min_length=1)]
"""One line of text whose characters are all visible."""
Prose = Annotated[str, _Written(several_lines=True)]
"""Text of zero or more lines whose characters are all visible."""
Name = Annotated[Line, Field(max_length=200), NotFormula]
VoucherCode = Annotated[str, Field(min_length=4, max_length=40, pattern="^[A-Z0-9-]+$"), _Code()]


def shown(text: str) -> str:
    r"""Return the text with lone surrogates, which UTF-8 can't encode, written as `\ud800`."""
    return text.encode("utf-8", "backslashreplace").decode()
