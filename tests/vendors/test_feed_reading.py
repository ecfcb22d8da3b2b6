"""What a feed's cells may say."""

import pytest

from app.errors import BadFeed
from app.vendors.feed import MOST_ERRORS, Parsed, parse

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


def row(**said: str) -> str:
    return ",".join({**CELLS, **said}.values())


def read(*rows: str, digits: int = 2) -> Parsed:
    return parse("\n".join([HEADER, *rows]).encode(), digits)


def test_a_row_says_what_the_product_shall_be() -> None:
    (found,) = read(row()).good
    assert (found.sku, found.name, found.brand, found.department) == ("A1", "Oat cookies", "Millrace", "GROCERY")
    assert (found.category, found.price_minor, found.stock, found.return_window_days) == ("COOKIES", 349, 12, 30)
    assert (found.description, found.active) == ("Crisp", True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_files_of_spreadsheets_are_read_as_they_were_saved(encoding: str) -> None:
    content = f"{HEADER}\r\n{row(name='Crème brûlée – small')}\r\n".encode(encoding)
    assert parse(content, 2).good[0].name == "Crème brûlée – small"


@pytest.mark.parametrize("header", [HEADER.upper(), HEADER.title(), HEADER.replace(",", " , "), f" {HEADER} "])
def test_a_headers_case_and_spaces_do_not_matter(header: str) -> None:
    assert len(parse(f"{header}\n{row()}".encode(), 2).good) == 1


def test_columns_may_come_in_any_order_and_optional_ones_be_absent() -> None:
    (found,) = parse(b"price,category,department,brand,name,sku\n1,C,D,B,N,S\n", 2).good
    assert (found.sku, found.name, found.price_minor) == ("S", "N", 100)
    assert (found.stock, found.return_window_days, found.description, found.active) == (None, None, None, None)


def test_empty_optional_cells_say_nothing() -> None:
    (found,) = read(row(stock="", return_window_days=" ", description="", active="")).good
    assert (found.stock, found.return_window_days, found.description, found.active) == (None, None, None, None)


@pytest.mark.parametrize(
    ("said", "digits", "minor"),
    [("12.99", 2, 1299), ("12.9", 2, 1290), ("12", 2, 1200), ("0", 2, 0), ("1299", 0, 1299), ("1.299", 3, 1299)],
)
def test_prices_are_exact_in_the_currencys_digits(said: str, digits: int, minor: int) -> None:
    assert read(row(price=said), digits=digits).good[0].price_minor == minor


@pytest.mark.parametrize(
    ("column", "said", "code"),
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
        ("brand", "=cmd()", "formula"),
        ("brand", " =cmd()", "formula"),
        ("name", "+1", "formula"),
        ("department", "-1", "formula"),
        ("category", "@sum", "formula"),
        ("description", "=HYPERLINK(1)", "formula"),
        ("description", "\tx", "formula"),
        ("sku", "=A1", "formula"),
    ],
)
def test_a_bad_cell_is_reported_where_it_is(column: str, said: str, code: str) -> None:
    found = read(row(sku="A0"), row(**{column: said}))
    (error,) = found.errors
    assert (error.row, error.code) == (3, code)
    assert error.column == ("" if code == "cells" else column)
    assert (len(found.good), found.refused) == (1, 1)


def test_a_repeated_sku_is_an_error_of_the_later_row() -> None:
    found = read(row(), row(sku="A2"), row(price="9.99"))
    assert [(one.row, one.column, one.code) for one in found.errors] == [(4, "sku", "repeated")]
    assert [one.price_minor for one in found.good] == [349, 349]


def test_a_sku_of_a_bad_row_counts_as_used() -> None:
    found = read(row(price="x"), row())
    assert [(one.row, one.code) for one in found.errors] == [(2, "not-a-price"), (3, "repeated")]
    assert found.good == ()


def test_rows_are_counted_by_the_lines_of_the_file() -> None:
    found = read(row(description='"Two\nlines"'), "", row(sku="A2", price="x"))
    assert [one.row for one in found.errors] == [5]
    assert found.good[0].description == "Two\nlines"


def test_errors_beyond_the_most_are_counted() -> None:
    found = read(*[row(sku=f"S{number}", price="x", stock="y") for number in range(600)])
    assert (len(found.errors), found.more_errors, found.refused) == (MOST_ERRORS, 200, 600)


@pytest.mark.parametrize("content", [b"", b"\n", b"sku;name;brand;department;category;price\n", b"\xff\xfe\x81"])
def test_a_file_without_the_header_is_refused(content: bytes) -> None:
    with pytest.raises(BadFeed):
        parse(content, 2)


def test_a_header_alone_is_an_empty_feed() -> None:
    assert read() == Parsed((), 0, (), 0)
