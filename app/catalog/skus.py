"""Validate stock keeping units (SKUs), and detect those that a spreadsheet has damaged."""

import re
from typing import Annotated
from unicodedata import normalize

from pydantic import BeforeValidator, Field

from app.catalog.models import SKU_PATTERN
from app.text import BadText, line

_SKU = re.compile(SKU_PATTERN)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATES = re.compile(rf"\d{{1,2}}-(?:{_MONTHS})(?:-\d\d(?:\d\d)?)?|(?:{_MONTHS})-\d\d", re.IGNORECASE | re.ASCII)
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?E\+\d{1,3}", re.IGNORECASE | re.ASCII)
_TOO_WIDE = re.compile(r"#{2,}")
_AS_TEXT = "format the column as text before the SKUs come into it, and send the file again"


def sku(text: str) -> str:
    """Normalize a SKU: trimmed, single spaces, ASCII for full-width characters. Raises BadText if it is malformed."""
    normalized = line(normalize("NFKC", text))
    if not _SKU.match(normalized):
        fix = "begin with a letter or digit; use letters, digits, space and . _ / # : + -"
        raise BadText("not-a-sku", "this is not a SKU", fix)
    return normalized


def must_be_whole(text: str) -> None:
    """Raise BadText if a spreadsheet has damaged the SKU: rounded it, made it a date, or replaced it by ####."""
    cell = text.strip()
    if _SCIENTIFIC.fullmatch(cell):
        message = f"a spreadsheet has rounded this SKU to {cell}: digits are lost"
    elif _DATES.fullmatch(cell):
        message = f"a spreadsheet has made a date of this SKU: {cell}"
    elif _TOO_WIDE.fullmatch(cell):
        message = "a spreadsheet has written #### where the column was too narrow"
    else:
        return
    raise BadText("damaged-sku", message, _AS_TEXT)


def lost_zeros(text: str, known: str) -> BadText:
    """Return the error for a numeric SKU that seems to be the SKU `known` without its leading zeros."""
    message = f"you sell {known}: a spreadsheet has taken the zeros from the beginning of {text}"
    return BadText("damaged-sku", message, f"write {known}; {_AS_TEXT}")


def _read(value: object) -> object:
    return sku(value) if isinstance(value, str) else value


Sku = Annotated[str, Field(pattern=SKU_PATTERN), BeforeValidator(_read)]
