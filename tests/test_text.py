"""Tests of typed text: requests and feeds treat it alike, whatever the keyboard or spreadsheet."""

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.catalog import skus
from app.offers.models import Voucher
from app.text import BadText, Line, Name, Prose, fold, line, prose, voucher_code
from app.vendors.columns import BadCell, readers

NAME: TypeAdapter[str] = TypeAdapter(Name)
FEED = readers(2)
UNSEEN = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060"
    "\u2066\u2069\ufeff\xad\u034f\u061c\u180e\u115f\u3164\u2800\ufe0f\U000e0041"
)
SPACES = "\xa0\u1680\u2002\u2009\u200a\u202f\u205f\u3000"


def in_feed(cell: str, column: str = "brand") -> object:
    return FEED[column][1](cell)


@pytest.mark.parametrize("mark", UNSEEN, ids=lambda mark: f"U+{ord(mark):04X}")
def test_no_name_holds_what_nobody_sees(mark: str) -> None:
    for text in (f"Le{mark}af", f"{mark}Leaf", f"Leaf{mark}"):
        with pytest.raises(ValidationError):
            NAME.validate_python(text)
        with pytest.raises(BadCell, match="control-character"):
            in_feed(text)
        assert fold(text) == "leaf"


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"U+{ord(space):04X}")
def test_spaces_that_look_alike_are_one_space(space: str) -> None:
    for text in (f"Dr.{space}Oetker", f" Dr. {space} Oetker{space}"):
        assert NAME.validate_python(text) == in_feed(text) == "Dr. Oetker"


@pytest.mark.parametrize("name", ["نمی\u200cخواهم", "👩\u200d💻 kit", "☕\ufe0f to go", "葛\U000e0100城", "क्\u200dष"])
def test_marks_that_a_script_needs_stay(name: str) -> None:
    assert NAME.validate_python(name) == in_feed(name) == name


@pytest.mark.parametrize("formula", ["=cmd()", " =1+1", "＝cmd()", "+1", "－1", "@x", "\t=1"])
def test_requests_and_feeds_refuse_the_same_formulas(formula: str) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(formula)
    for column in ("sku", "name", "brand", "department", "category", "description"):
        with pytest.raises(BadCell):
            in_feed(formula, column)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_request_and_a_feed_keep_any_text_alike(text: str) -> None:
    def of_request() -> str | None:
        try:
            return NAME.validate_python(text)
        except ValidationError:
            return None

    def of_feed() -> object:
        try:
            return in_feed(text, "name")
        except BadCell:
            return None

    assert of_request() == of_feed()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_writing_again_changes_nothing_and_composition_makes_no_second_name(text: str) -> None:
    try:
        written = line(text)
    except BadText:
        return
    assert line(written) == written == line(normalize("NFD", text))
    assert prose(written) == written
    assert fold(written) == fold(text) == fold(fold(text))


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [
        ("Café", "CAFE\u0301", True),
        ("Straße", "STRASSE", True),
        ("ﬁne", "FINE", True),
        ("Ｌｅａｆ", "leaf", True),
        ("Dr.\xa0Oetker", "dr. oetker ", True),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", True),
        ("Café", "Cafe", False),
        ("7-Up", "7 Up", False),
    ],
)
def test_names_are_compared_as_shoppers_read_them(name: str, other: str, *, same: bool) -> None:
    assert (fold(name) == fold(other)) is same


def test_prose_keeps_its_lines_and_its_spaces() -> None:
    assert TypeAdapter(Prose).validate_python(" two\r\n\tlines  of\n") == "two\r\n\tlines  of"
    with pytest.raises(ValidationError):
        TypeAdapter(Prose).validate_python("a\u202eb")
    with pytest.raises(ValidationError):
        TypeAdapter(Line).validate_python("two\nlines")


# ── SKUs and codes ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("written", ["sp 1", "sp 1 ", " sp  1", "sp\xa01", "ｓｐ　１"])
def test_a_sku_is_one_however_it_is_typed(written: str) -> None:
    assert TypeAdapter(skus.Sku).validate_python(written) == in_feed(written, "sku") == "sp 1"


@pytest.mark.parametrize("damaged", ["1.23E+11", "1,23457E+11", "1E+5", "####", "1-Mar", "01-mar-26", "Mar-01"])
def test_a_sku_that_a_spreadsheet_damaged_is_named_with_a_fix(damaged: str) -> None:
    with pytest.raises(BadCell) as refused:
        in_feed(damaged, "sku")
    assert refused.value.code == "damaged-sku"
    assert "text" in refused.value.fix


@pytest.mark.parametrize("sku", ["1E5", "E+1", "MAR-001", "1-MARS", "12-34", "1.2", "A1E+5"])
def test_a_sku_that_only_resembles_damage_is_one(sku: str) -> None:
    assert in_feed(sku, "sku") == sku


@pytest.mark.parametrize("typed", ["SPRING-26", "spring-26", " Spring-26 ", "ｓｐｒｉｎｇ-26", "spring-\u200b26"])
def test_a_voucher_code_is_one_however_it_is_typed(typed: str) -> None:
    assert voucher_code(typed) == Voucher(code=typed, uses=1).code == "SPRING-26"
