"""Tests of parsing a vendor's feed: encodings, columns and cells."""

import io
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.models import ProductChange
from app.errors import BadFeed
from app.vendors.encodings import CHARSETS, charset_of
from app.vendors.feed import (
    LONGEST_ROW,
    MOST_COLUMNS,
    MOST_EMPTY_ROWS,
    MOST_ERRORS,
    MOST_ROWS,
    reading,
)
from app.vendors.models import RowError

HEADER = "sku,name,brand,department,category,price,stock,return_window_days,description,active"
CELLS = {
    "sku": "A1",
    "name": "Oat cookies",
    "brand": "Millrace",
    "department": "GROCERY",
    "category": "COOKIES",
    "price": "3.49",
    "stock": "12",
    "return_window_days": "30",
    "description": "Crisp",
    "active": "yes",
}


def row(**cells: str) -> str:
    return ",".join({**CELLS, **cells}.values())


@dataclass(frozen=True)
class Read:
    """The result of parsing a feed, with its rows in memory."""

    good: tuple[ProductChange, ...]
    refused: int
    errors: tuple[RowError, ...]
    more_errors: int


def parse(content: bytes, digits: int = 2, charset: str | None = None) -> Read:
    with reading(io.BytesIO(content), digits, charset) as feed:
        good = tuple(row for batch in feed.batches() for row in batch)
        assert [row.sku for row in good] == list(feed.skus)
        assert {(row.department, row.category) for row in good} == feed.categories
        return Read(good, feed.refused, tuple(feed.errors), feed.more_errors)


def read(*rows: str, digits: int = 2) -> Read:
    return parse("\n".join([HEADER, *rows]).encode(), digits)


def refusal(content: bytes, charset: str | None = None) -> str:
    with pytest.raises(BadFeed) as refused:
        parse(content, charset=charset)
    return str(refused.value)


def test_a_row_says_what_the_product_shall_be() -> None:
    (change,) = read(row()).good
    assert (change.sku, change.name, change.brand, change.department) == ("A1", "Oat cookies", "Millrace", "GROCERY")
    assert (change.category, change.price_minor, change.stock, change.return_window_days) == ("COOKIES", 349, 12, 30)
    assert (change.description, change.active) == ("Crisp", True)


FRENCH = f"{HEADER}\r\n{row(name='Crème brûlée, “petite”'.replace(',', ' –'))}\r\n"


# Without a byte order mark, nothing but the sender says that it is UTF-8.
@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        *product(["utf-8"], [None, "utf-8"]),
        *product(["utf-8-sig", "utf-16"], [None, "utf-8", "utf-16", "windows-1252"]),
    ],
)
def test_utf_8_and_what_a_byte_order_mark_names_are_read_whatever_the_sender_says(
    encoding: str, charset: str | None
) -> None:
    assert parse(FRENCH.encode(encoding), charset=charset).good[0].name == "Crème brûlée – “petite”"


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        (None, None),
        ("text/csv", None),
        ("text/csv;", None),
        ("text/csv; charset=UTF-8", "utf-8"),
        ('text/csv;header=present ; Charset = "Windows-1252" ', "windows-1252"),
        ('text/csv; x="; charset=utf-16le"; charset=utf-8', "utf-8"),
        (r'text/csv; x="\"; charset=utf-16le"', None),
        ("text/csv; charset=utf-8; charset=utf-16le", "utf-8"),
        ('text/csv; charset="utf-8', "utf-8"),
        ("text/csv; charset", None),
        ("text/csv; charset=", ""),
        ("text/csv; charset*=utf-8''utf-16le", None),
        (f"text/csv; charset*{'1' * 5000}=x", None),
        (f"text/csv; charset*0*{'1' * 5000}*=x; charset*1=y", None),
        ("text/csv; charset*1*=%ff%; charset*=''", None),
        ("charset=utf-8", None),
    ],
)
def test_the_charset_of_a_media_type(content_type: str | None, charset: str | None) -> None:
    assert charset_of(content_type) == charset


@given(st.text(alphabet=st.sampled_from(""";="*\\' charset018é\t\0"""), max_size=200))
def test_any_content_type_names_a_charset_or_none(parameters: str) -> None:
    charset = charset_of(f"text/csv;{parameters}")
    assert charset is None or charset == charset.lower()


@pytest.mark.parametrize("unit", [";a", '; a="', ';a="\\', ";" + " " * 40, "=", '"', ";a=b", "a "])
def test_a_content_type_is_read_in_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        content_type = (";" + unit * size)[:size]
        begun = time.process_time()
        for _ in range(20):
            charset_of(content_type)
        return time.process_time() - begun

    assert seconds(1 << 17) < 64 * max(seconds(1 << 13), 0.002)


@pytest.mark.parametrize("charset", [charset for charset in CHARSETS if charset not in {"us-ascii", "utf-16"}])
def test_an_encoding_that_is_named_is_read_so(charset: str) -> None:
    content = f"{HEADER}\n{row(name='Crème brûlée')}".encode(CHARSETS[charset])
    assert parse(content, charset=charset.upper()).good[0].name == "Crème brûlée"


def test_another_encoding_that_nobody_names_is_refused_as_a_whole() -> None:
    rows = "\n".join([HEADER, row(), row(sku="A2", name="Crème brûlée"), row(sku="A3")])
    assert "line 3 is not UTF-8" in refusal(rows.encode("cp1252"))
    assert "charset=windows-1252" in refusal(rows.encode("cp1252"), "utf-8")
    for charset in ("utf-16le", "utf-16be"):
        content = rows.encode(CHARSETS[charset])
        assert f"--encoding {charset})" in refusal(content)
        assert parse(content, charset=charset).good


def test_an_encoding_that_is_not_on_the_list_is_refused_by_name() -> None:
    for charset in ("koi8-r", "base64", "rot13", "unicode-escape", "utf-7", "", "\0"):
        assert "is not read here" in refusal(FRENCH.encode(), charset)
    assert "no byte order mark" in refusal(FRENCH.encode("utf-16-le"), "utf-16")


def test_a_byte_that_is_not_of_the_encoding_costs_its_row_and_changes_no_other() -> None:
    good, bad = row(name="Café crème", brand="Brûlé"), row(sku="A2", name="Na?ve")
    content = f"{HEADER}\n{good}\n{bad}\n{row(sku='A3', name='Naïve')}\n".encode().replace(b"?", b"\xef")
    feed = parse(content)
    assert [(error.row, error.column, error.code) for error in feed.errors] == [(3, "name", "bad-encoding")]
    assert [change.name for change in feed.good] == ["Café crème", "Naïve"]
    marked = parse(b"\xef\xbb\xbf" + f"{HEADER}\n{bad}\n{row()}".encode().replace(b"?", b"\xef"))
    assert ([error.row for error in marked.errors], len(marked.good)) == ([2], 1)
    windows = parse(f"{HEADER}\n{bad}\n{row()}".encode().replace(b"?", b"\x81"), charset="windows-1252")
    assert ([error.code for error in windows.errors], len(windows.good)) == (["bad-encoding"], 1)


@pytest.mark.parametrize("cut", range(1, 4))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_that_is_cut_within_a_letter_keeps_what_is_whole(encoding: str, cut: int) -> None:
    whole = f"{HEADER}\n{row(name='Crème')}\n{row(sku='A2', active='')[:-1]},𝄞".encode(encoding)
    feed = parse(whole[:-cut])
    assert [(error.row, error.column, error.code) for error in feed.errors] == [(3, "active", "bad-encoding")]
    assert [change.name for change in feed.good] == ["Crème"]


@pytest.mark.parametrize("lines", ["\n", "\r\n", "\r"])
def test_rows_end_with_any_line_break(lines: str) -> None:
    assert len(parse(lines.join([HEADER, row(), row(sku="A2"), ""]).encode()).good) == 2


def test_a_quote_that_is_never_closed_is_refused_with_its_line() -> None:
    assert "the row in line 3 is not CSV" in refusal(f"{HEADER}\n{row()}\n{row(name=chr(34) + 'A2')}".encode())
    rest = "\n".join(row(sku=f"S{number}") for number in range(10_000))
    assert "the row in line 2 has more than" in refusal(f'{HEADER}\n"{row(sku="A2")}\n{rest}'.encode())


@pytest.mark.parametrize(
    "cell",
    ["x" * 10**6, "𝄞" * 10**6, '"' + "x\n" * 10**6 + '"', '"' + '""' * 10**6 + '"', "," * 10**6],
)
def test_a_gigantic_cell_is_refused_with_its_line_however_it_is_written(cell: str) -> None:
    message = refusal(f"{HEADER}\n{row()}\n{row(sku='A2', description=cell)}\n".encode())
    assert message == f"the row in line 3 has more than {LONGEST_ROW:,} characters: is a quote missing?"


def test_a_cell_within_the_limit_of_a_row_is_a_bad_cell() -> None:
    feed = read(row(description="x" * 4_001), row(sku="A2"))
    assert ([error.code for error in feed.errors], len(feed.good)) == (["too-long"], 1)


def test_a_header_of_too_many_columns_is_refused_before_they_are_compared() -> None:
    assert "101 columns" in refusal(("," * MOST_COLUMNS).encode())
    assert "the row in line 1 has more than" in refusal(("," * 250_000).encode())
    assert len(refusal(",".join(f"{'x' * 500}{number}" for number in range(100)).encode())) < 3_000


def test_empty_rows_are_passed_over_up_to_a_limit() -> None:
    assert len(parse(f"{HEADER}\n{row()}\n".encode() + b"\n" * MOST_EMPTY_ROWS).good) == 1
    assert "empty rows" in refusal(f"{HEADER}\n{row()}\n".encode() + b"\n" * (MOST_EMPTY_ROWS + 1))


def test_more_rows_than_a_feed_has_are_refused() -> None:
    assert "at most 50,000 rows" in refusal("\n".join([HEADER, *[","] * (MOST_ROWS + 1)]).encode())


@pytest.mark.parametrize("content", [b"\0" * 10_000, HEADER.encode() + b"\n\0\n", HEADER.encode() + b"\n" + b"\0," * 9])
def test_nul_bytes_are_a_bad_file_or_a_bad_row(content: bytes) -> None:
    with suppress(BadFeed):
        feed = parse(content)
        assert (feed.good, feed.refused) == ((), 1)


@pytest.mark.parametrize(
    "line", [row(sku="S{}"), row(sku="S{}", price="x", stock="y"), "", ",", '"{}', row(sku="S{}", name="é"), row()]
)
def test_rows_are_read_in_linear_time(line: str) -> None:
    def seconds(rows: int) -> float:
        content = "\n".join([HEADER, *(line.replace("{}", str(number)) for number in range(rows))]).encode()
        began = time.process_time()
        with suppress(BadFeed):
            parse(content)
        return time.process_time() - began

    assert seconds(16_000) < 64 * max(seconds(1_000), 0.002)


@pytest.mark.parametrize("header", [HEADER.upper(), HEADER.title(), HEADER.replace(",", " , "), f" {HEADER} "])
def test_a_headers_case_and_spaces_do_not_matter(header: str) -> None:
    assert len(parse(f"{header}\n{row()}".encode(), 2).good) == 1


def test_columns_may_come_in_any_order_and_optional_ones_be_absent() -> None:
    (change,) = parse(b"price,category,department,brand,name,sku\n1,C,D,B,N,S\n", 2).good
    assert (change.sku, change.name, change.price_minor) == ("S", "N", 100)
    assert (change.stock, change.return_window_days, change.description, change.active) == (None, None, None, None)


def test_empty_optional_cells_say_nothing() -> None:
    (change,) = read(row(stock="", return_window_days=" ", description="", active="")).good
    assert (change.stock, change.return_window_days, change.description, change.active) == (None, None, None, None)


@pytest.mark.parametrize(
    ("price", "digits", "minor"),
    [("12.99", 2, 1299), ("12.9", 2, 1290), ("12", 2, 1200), ("0", 2, 0), ("1299", 0, 1299), ("1.299", 3, 1299)],
)
def test_prices_are_exact_in_the_currencys_digits(price: str, digits: int, minor: int) -> None:
    assert read(row(price=price), digits=digits).good[0].price_minor == minor


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("price", "12.999", "too-precise"),
        ("price", "12.990", "too-precise"),
        ("price", "12,99", "cells"),
        ("price", '"12,99"', "not-a-price"),
        ("price", "-1", "not-a-price"),
        ("price", "1e3", "not-a-price"),
        ("price", "$5", "not-a-price"),
        ("price", "", "not-a-price"),
        ("price", "NaN", "not-a-price"),
        ("price", "١٢", "not-a-price"),
        ("price", "10000000000.01", "too-high"),
        ("stock", "1.5", "not-a-number"),
        ("stock", "-1", "not-a-number"),
        ("stock", "1000000001", "not-a-number"),
        ("return_window_days", "366", "not-a-number"),
        ("active", "perhaps", "not-yes-or-no"),
        ("sku", "", "missing"),
        ("sku", "ä1", "not-a-sku"),
        ("sku", "x" * 41, "too-long"),
        ("name", " ", "missing"),
        ("name", "x" * 201, "too-long"),
        ("name", "a\0b", "control-character"),
        ("name", '"two\nlines"', "control-character"),
        ("name", '"two\rlines"', "control-character"),
        ("name", "a\x9fb", "control-character"),
        ("name", "a\u202eb", "control-character"),
        ("description", "a\u200bb", "control-character"),
        ("brand", "＝cmd()", "formula"),
        ("category", "\u200b－1", "formula"),
        ("brand", "=cmd()", "formula"),
        ("brand", " =cmd()", "formula"),
        ("name", "+1", "formula"),
        ("department", "-1", "formula"),
        ("category", "@sum", "formula"),
        ("description", "=HYPERLINK(1)", "formula"),
        ("description", "\t=x", "formula"),
        ("sku", "1.23457E+11", "damaged-sku"),
        ("sku", "####", "damaged-sku"),
        ("sku", "=A1", "formula"),
    ],
)
def test_a_bad_cell_is_reported_where_it_is(column: str, cell: str, code: str) -> None:
    feed = read(row(sku="A0"), row(**{column: cell}))
    (error,) = feed.errors
    assert (error.row, error.code) == (3, code)
    assert error.column == ("" if code == "cells" else column)
    assert (len(feed.good), feed.refused) == (1, 1)


def test_a_repeated_sku_is_an_error_of_the_later_row() -> None:
    feed = read(row(), row(sku="A2"), row(price="9.99"))
    assert [(error.row, error.column, error.code) for error in feed.errors] == [(4, "sku", "repeated")]
    assert [change.price_minor for change in feed.good] == [349, 349]


def test_a_sku_of_a_bad_row_counts_as_used() -> None:
    feed = read(row(price="x"), row())
    assert [(error.row, error.code) for error in feed.errors] == [(2, "not-a-price"), (3, "repeated")]
    assert feed.good == ()


def test_rows_are_counted_by_the_lines_of_the_file() -> None:
    feed = read(row(description='"Two\nlines"'), "", row(sku="A2", price="x"))
    assert [error.row for error in feed.errors] == [5]
    assert feed.good[0].description == "Two\nlines"


def test_errors_beyond_the_most_are_counted() -> None:
    feed = read(*[row(sku=f"S{number}", price="x", stock="y") for number in range(600)])
    assert (len(feed.errors), feed.more_errors, feed.refused) == (MOST_ERRORS, 200, 600)


@pytest.mark.parametrize("content", [b"", b"\n", b"sku;name;brand;department;category;price\n", b"\xff\xfe\x81"])
def test_a_file_without_the_header_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse(content, 2)


def test_a_header_alone_is_an_empty_feed() -> None:
    assert read() == Read((), 0, (), 0)
