"""Text that people type: what it may hold, how it is written, and when two texts are the same to a reader.

Requests and feeds read their text here. One line is kept in NFC, without spaces around it and with single ones inside;
what nobody can see, or what a spreadsheet would run, is refused. Names are compared by `fold`.
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
"""What no text of the database holds: NUL, and halves of a surrogate pair."""


@dataclass
class BadText(ValueError):
    """What is wrong with a text: a code, what it is, and what to do about it."""

    code: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.message}: {self.fix}"


def line(text: str) -> str:
    """One line as it is kept. Raises BadText where a character can't be seen."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if "  " in text else text.strip()
    return _seen(_SPACES.sub(" ", normalize("NFC", text)).strip(), _NEVER_IN_LINE)


def prose(text: str) -> str:
    """Text of several lines, or none, as it is kept: spaces inside stay. Raises BadText as `line` does."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _seen(normalize("NFC", text).strip(), _NEVER_IN_PROSE)


def not_formula(text: str) -> str:
    """The text as it is. Raises BadText where a spreadsheet would run it."""
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
    """What two spellings of a name have in common, whichever letters, widths, spaces and invisible marks they use.

    Accents count: it tells whether two names are the same, not whether one is found by the other.
    """
    folded = normalize("NFKC", normalize("NFKC", _IGNORED.sub("", text)).casefold())
    return " ".join(folded.split())


def voucher_code(text: str) -> str:
    """The one spelling of a voucher's code, however it is typed."""
    return fold(text).upper()


@dataclass(frozen=True)
class _Written:
    """Has text written in the one way, and says so in the documentation as far as JSON Schema can."""

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
    """Refuses formulas, and says so in the documentation as far as JSON Schema can."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(not_formula, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "not": {"pattern": r"^\s*[=+\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋]"}}


@dataclass(frozen=True)
class _Code:
    """Has a voucher's code in its one spelling, before its form is looked at."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_code_of, handler(source))


def _code_of(value: Any) -> Any:
    return voucher_code(value) if isinstance(value, str) else value


NotFormula = _NotFormula()
"""For names and descriptions, which stand in tables that go out."""
Line = Annotated[str, _Written(), Field(min_length=1)]
"""One line of text of which every character can be seen."""
Prose = Annotated[str, _Written(several_lines=True)]
"""Such text of several lines, or none."""
Name = Annotated[Line, Field(max_length=200), NotFormula]
VoucherCode = Annotated[str, Field(min_length=4, max_length=40, pattern="^[A-Z0-9-]+$"), _Code()]


def shown(text: str) -> str:
    r"""The text with what UTF-8 can't say written as `\ud800`."""
    return text.encode("utf-8", "backslashreplace").decode()
