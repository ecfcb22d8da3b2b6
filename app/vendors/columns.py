"""The CSV columns of a vendor's feed, and how their cells are parsed and checked."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from app.catalog import return_terms, skus
from app.catalog.models import LONGEST_DESCRIPTION, LONGEST_LABEL, LONGEST_NAME, LONGEST_SKU, MOST_STOCK
from app.catalog.return_terms import LONGEST_WINDOW_DAYS, Kind
from app.money import MOST_MINOR
from app.text import BadText, line, not_formula, prose
from app.vendors.encodings import MARK


def _term_columns() -> dict[str, Kind]:
    """Return the kinds of return terms by CSV column, without `days`: its column is `return_window_days`."""
    return {f"return_{name}": kind for name, kind in return_terms.KINDS.items() if name != "days"}


REQUIRED = ("sku", "name", "brand", "department", "category", "price")
OPTIONAL = ("stock", "return_window_days", "description", "active", *_term_columns())

_PRICE = re.compile(r"\d{1,13}(?:\.(\d{1,20}))?", re.ASCII)
_WHOLE = re.compile(r"\d{1,12}", re.ASCII)
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Reader = Callable[[str], Any]


@dataclass
class BadCell(Exception):
    """Raised for a cell that can't be accepted; `fix` says how to correct it."""

    code: str
    message: str
    fix: str


def readers(digits: int) -> dict[str, tuple[str, Reader]]:
    """Return for each CSV column the field of ProductChange that it fills, and a function that parses a cell.

    The function raises BadCell. The name `return_terms.X` means the key X of the field `return_terms`. `digits` is the
    number of decimals of the currency.
    """
    return {
        "sku": ("sku", _sku),
        "name": ("name", lambda cell: _label(cell, LONGEST_NAME)),
        "brand": ("brand", lambda cell: _label(cell, LONGEST_LABEL)),
        "department": ("department", lambda cell: _label(cell, LONGEST_LABEL)),
        "category": ("category", lambda cell: _label(cell, LONGEST_LABEL)),
        "price": ("price_minor", lambda cell: _price(cell, digits)),
        "stock": ("stock", lambda cell: _whole(cell, MOST_STOCK)),
        "return_window_days": ("return_window_days", lambda cell: _whole(cell, LONGEST_WINDOW_DAYS)),
        "description": ("description", lambda cell: _plain(cell, LONGEST_DESCRIPTION, prose) or None),
        "active": ("active", _yes_no),
        **{column: (f"return_terms.{kind.name}", _term(kind)) for column, kind in _term_columns().items()},
    }


def must_be_readable(cell: str) -> None:
    """Raise BadCell if decoding the file found a byte in the cell that is invalid in the file's encoding."""
    if MARK in cell:
        raise BadCell("bad-encoding", "it holds a byte that is not in the file's encoding", "save the file as UTF-8")


def _label(cell: str, longest: int) -> str:
    if not (text := _plain(cell, longest, line)):
        raise _missing()
    return text


def _missing() -> BadCell:
    return BadCell("missing", "the cell is empty", "fill it in")


def _plain(cell: str, longest: int, normalize: Callable[[str], str]) -> str:
    with _bad_cells():
        text = normalize(not_formula(cell.strip()))
    if len(text) > longest:
        raise BadCell("too-long", f"it has {len(text)} characters", f"use at most {longest}")
    return text


def _sku(cell: str) -> str:
    if not cell.strip():
        raise _missing()
    with _bad_cells():
        skus.must_be_whole(cell)
        return skus.sku(_plain(cell, LONGEST_SKU, line))


@contextmanager
def _bad_cells() -> Iterator[None]:
    try:
        yield
    except BadText as bad:
        raise BadCell(bad.code, bad.message, bad.fix) from None


def _price(cell: str, digits: int) -> int:
    price = _PRICE.fullmatch(cell.strip())
    if not price:
        raise BadCell("not-a-price", "this is not a price", "write it like 12.99, without currency or separators")
    if len(price[1] or "") > digits:
        message = f"the price has {len(price[1])} digits behind the point"
        raise BadCell("too-precise", message, f"use at most {digits}")
    minor = int(Decimal(price[0]).scaleb(digits))
    if minor > MOST_MINOR:
        raise BadCell("too-high", "the price is too high", f"use at most {Decimal(MOST_MINOR).scaleb(-digits):f}")
    return minor


def _whole(cell: str, most: int) -> int | None:
    text = cell.strip()
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or int(text) > most:
        raise BadCell(
            "not-a-number", f"this is not a whole number from 0 to {most}", "write digits only, or leave it empty"
        )
    return int(text)


def _term(kind: Kind) -> Reader:
    def read(cell: str) -> Any:
        text = cell.strip()
        try:
            return kind.of_cell(text) if text else None
        except ValidationError as error:
            raise BadCell("not-a-term", error.errors()[0]["msg"], "correct it, or leave it empty") from None

    return read


def _yes_no(cell: str) -> bool | None:
    text = cell.strip().lower()
    if text and text not in _YES_NO:
        raise BadCell("not-yes-or-no", "this is neither yes nor no", "write true or false, or leave it empty")
    return _YES_NO.get(text)
