"""Parse a vendor's CSV feed (RFC 4180), a header and one product per row, within limits of time and memory.

An error of the whole file raises BadFeed with the line; a bad cell refuses only its row, and is reported. Good rows are
stored on disk as JSON lines until they are applied. A cell that a spreadsheet would run as a formula is bad, because
its text is in exports, which users open in spreadsheets.
"""

import csv
import io
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import orjson

from app.catalog.models import ProductChange
from app.errors import BadFeed, FieldError
from app.text import BadText, fold
from app.vendors import encodings
from app.vendors.columns import OPTIONAL, REQUIRED, BadCell, Reader, must_be_readable, readers
from app.vendors.encodings import CHARSETS, LONGEST_MARK, MARK, MARKING
from app.vendors.models import RowError

MOST_BYTES = 32 * 1024 * 1024
MOST_ROWS = 50_000  # the journal's limit for one transaction
MOST_EMPTY_ROWS = 1_000_000
MOST_COLUMNS = 100
LONGEST_ROW = 65_536  # characters, quotes and line breaks included
MOST_ERRORS = 1_000
IN_MEMORY = 1024 * 1024  # bytes of a file that need no disk

COLUMNS = f"Columns: {', '.join(REQUIRED)}; perhaps {', '.join(OPTIONAL)}"
LIMITS = (
    f"at most {MOST_BYTES // 1024**2} MB, {MOST_ROWS:,} rows (and {MOST_EMPTY_ROWS:,} empty ones), "
    f"{LONGEST_ROW:,} characters a row, {MOST_COLUMNS} columns; the first {MOST_ERRORS:,} errors are listed"
)
ENCODING = f"UTF-8, or UTF-16 with its byte order mark; any other only where it is named ({', '.join(CHARSETS)})"

_BATCH_ROWS = 1_000  # per statement: far below its timeout, and enough to store a category's rows together
_BATCH_BYTES = 1024 * 1024
# Python runs one thread at a time, so reading pauses regularly to let other requests run.
_WORK_SECONDS = 0.001
_PAUSE_SECONDS = 0.0002


@dataclass
class Feed:
    """A parsed feed: its good rows in the file `rows`, the number of refused rows, and their errors.

    `skus` maps the SKU of each good row to its line number; `categories` holds (department, category) of good rows.
    `digits` is the number of decimals of prices. `spelled` maps SKUs to the catalogue's spelling where it differs.
    """

    rows: IO[bytes]
    digits: int
    skus: dict[str, int] = field(default_factory=dict)
    categories: set[tuple[str, str]] = field(default_factory=set)
    refused: int = 0
    errors: list[RowError] = field(default_factory=list)
    more_errors: int = 0
    spelled: Mapping[str, str] = field(default_factory=dict)

    def batches(self) -> Iterator[list[ProductChange]]:
        """Yield the good rows in the file's order, in batches of at most 1,000 rows or about 1 MB."""
        self.rows.seek(0)
        batch: list[ProductChange] = []
        size = 0
        for line in self.rows:
            row = ProductChange(**orjson.loads(line))
            if row.sku not in self.skus:
                continue
            batch.append(replace(row, sku=self.spelled.get(row.sku, row.sku)))
            size += len(line)
            if len(batch) >= _BATCH_ROWS or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def take(self, line: int, values: dict[str, Any]) -> None:
        self.rows.write(orjson.dumps(values) + b"\n")
        self.skus[values["sku"]] = line
        self.categories.add((values["department"], values["category"]))

    @property
    def lines(self) -> Mapping[str, int]:
        """Return by SKU, in the catalogue's spelling, the line number of each good row."""
        return {self.spelled.get(sku, sku): line for sku, line in self.skus.items()}

    def withdraw(self, sku: str, bad: BadText) -> None:
        """Move a row from the good rows to the refused ones; `sku` identifies the row, and `bad` is the reason."""
        self.refuse([RowError(self.skus.pop(sku), "sku", bad.code, bad.message, bad.fix)])

    def refuse(self, errors: list[RowError]) -> None:
        self.refused += 1
        room = MOST_ERRORS - len(self.errors)
        self.errors += errors[:room]
        self.more_errors += max(0, len(errors) - room)


@contextmanager
def reading(content: IO[bytes], digits: int, charset: str | None = None) -> Iterator[Feed]:
    """Parse a file from its beginning; yield the feed, whose rows on disk are deleted when the `with` block ends.

    `digits` is the number of decimals of the currency, `charset` the encoding that the sender declares. Raises BadFeed
    for an error of the whole file.
    """
    content.seek(0)
    codec = encodings.codec(content.read(LONGEST_MARK), charset)
    content.seek(0)
    with SpooledTemporaryFile(IN_MEMORY) as staged:
        feed = Feed(staged, digits)
        text = io.TextIOWrapper(content, codec, MARKING, newline="")
        try:
            _read(feed, _Table(text), codec)
        finally:
            text.detach()  # else closing the wrapper closes the content
        yield feed


def _read(feed: Feed, table: "_Table", codec: str) -> None:
    header = next(table, [])
    column_readers = readers(feed.digits)
    columns = [(name, column_readers[name]) for name in _header(header, column_readers)]
    seen: dict[str, int] = {}
    evidence = _Evidence(codec)
    for row in table:
        line = table.line
        evidence.weigh(line, row)
        values, errors = _row(line, row, columns)
        sku = fold(values["sku"]) if "sku" in values else None
        if sku in seen:
            fix = "keep one row of each SKU"
            errors.append(RowError(line, "sku", "repeated", f"this SKU was in row {seen[sku]} already", fix))
        elif sku is not None:
            seen[sku] = line
        if errors:
            feed.refuse(errors)
        else:
            feed.take(line, values)
        if len(feed.skus) + feed.refused > MOST_ROWS:
            raise BadFeed(f"a feed has at most {MOST_ROWS:,} rows: send it in parts")
    evidence.must_hold()


class _Table:
    """An iterator over the non-empty rows of a CSV file; `line` is the line where the current row begins.

    `csv.reader` gets the file line by line, and lines are counted and limited in length: otherwise a missing quote or
    an endless line could make it read the whole file as one row.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self.line = 1
        self._text, self._lines, self._empty, self._length = text, 0, 0, 0
        self._rested = time.perf_counter()
        self._rows = csv.reader(self._line_by_line(), strict=True)

    def __iter__(self) -> "_Table":
        return self

    def __next__(self) -> list[str]:
        while True:
            self.line, self._length = self._lines + 1, 0
            try:
                row = next(self._rows)
            except csv.Error as error:
                raise BadFeed(f"the row in line {self.line} is not CSV: {error}; check its quotes") from None
            if row:
                return row
            self._empty += 1
            if self._empty > MOST_EMPTY_ROWS:
                raise BadFeed(f"line {self.line}: a feed has at most {MOST_EMPTY_ROWS:,} empty rows; remove them")

    def _line_by_line(self) -> Iterator[str]:
        while line := self._text.readline(LONGEST_ROW + 1 - self._length):
            self._lines += 1
            self._length += len(line)
            if self._length > LONGEST_ROW:
                raise BadFeed(
                    f"the row in line {self.line} has more than {LONGEST_ROW:,} characters: is a quote missing?"
                )
            if time.perf_counter() - self._rested > _WORK_SECONDS:
                time.sleep(_PAUSE_SECONDS)
                self._rested = time.perf_counter()
            yield line


class _Evidence:
    """Counts valid and invalid characters of a file without a byte order mark, to find out if it really is UTF-8.

    A file with more invalid bytes than valid characters outside ASCII is in another encoding and is refused.
    """

    def __init__(self, codec: str) -> None:
        self._unsure = codec == "utf-8"
        self._first_wrong = self._wrong = self._right = 0

    def weigh(self, line: int, row: list[str]) -> None:
        if self._unsure and not (text := "".join(row)).isascii():
            wrong = text.count(MARK)
            self._wrong += wrong
            self._right += len(text) - len(text.encode("ascii", "ignore")) - wrong
            self._first_wrong = self._first_wrong or (line if wrong else 0)

    def must_hold(self) -> None:
        if self._wrong > self._right:
            raise BadFeed(
                f"the row in line {self._first_wrong} is not UTF-8: save the file as CSV UTF-8, or say its encoding "
                "(Content-Type: text/csv; charset=windows-1252, or --encoding windows-1252)"
            )


def _header(row: list[str], known_columns: Collection[str]) -> list[str]:
    if len(row) > MOST_COLUMNS:
        raise BadFeed(f"the header has {len(row):,} columns; a feed has at most {MOST_COLUMNS}")
    names = [cell.strip().lower() for cell in row]
    if any(MARK in name for name in names):
        raise BadFeed("the header is not in the encoding that the file is read in: save it as CSV UTF-8")
    if any("\0" in name for name in names):
        likely = "utf-16be" if names[0].startswith("\0") else "utf-16le"
        raise BadFeed(
            "the header has bytes of zero, as UTF-16 does: save the file as CSV UTF-8, or say its encoding "
            f"(Content-Type: text/csv; charset={likely}, or --encoding {likely})"
        )
    errors = [FieldError(name, "missing-column", "is missing") for name in REQUIRED if name not in names]
    errors += [FieldError(name[:40], "unknown-column", "is not known") for name in names if name not in known_columns]
    errors += [
        FieldError(name, "repeated-column", "comes twice")
        for place, name in enumerate(names)
        if name in known_columns and name in names[:place]
    ]
    if errors:
        wrong = "; ".join(f"column {error.field!r} {error.message}" for error in errors[:20])
        raise BadFeed(f"{wrong}. The header needs {', '.join(REQUIRED)}; it may have {', '.join(OPTIONAL)}", errors)
    return names


def _row(
    line: int, row: list[str], columns: list[tuple[str, tuple[str, Reader]]]
) -> tuple[dict[str, Any], list[RowError]]:
    if len(row) != len(columns):
        message = f"the row has {len(row)} cells, the header {len(columns)}"
        return {}, [RowError(line, "", "cells", message, "put cells that hold a comma in double quotes")]
    values: dict[str, Any] = {}
    errors = []
    for (column, (name, read)), cell in zip(columns, row, strict=True):
        try:
            must_be_readable(cell)
            _put(values, name, read(cell))
        except BadCell as bad:
            errors.append(RowError(line, column, bad.code, bad.message, bad.fix))
    return values, errors


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    """Set values[name] or, for a name `field.key`, values[field][key]; None is not stored under a key."""
    field_name, _, inner = name.partition(".")
    if not inner:
        values[name] = value
    elif value is not None:
        values.setdefault(field_name, {})[inner] = value
