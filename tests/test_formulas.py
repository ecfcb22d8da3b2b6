"""Tests that text is recognised as a spreadsheet formula, whatever the sign's width and invisible text before it."""

import pytest

from app.formulas import is_formula


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫", "⁺", "₌"])
@pytest.mark.parametrize("before", ["", " ", "\u3000", "\u00a0", "\u200b", "\ufeff", "\u202e", " \u200b "])
def test_a_sign_of_a_formula_is_seen_in_any_width_behind_what_is_not_seen(sign: str, before: str) -> None:
    assert is_formula(f"{before}{sign}cmd()")


@pytest.mark.parametrize("text", ["\tx", "\rx", "\nx", "\t", " \x00=1"])
def test_text_that_begins_with_a_control_of_spreadsheets_is_one(text: str) -> None:
    assert is_formula(text)


@pytest.mark.parametrize("text", ["", " ", "\u200b", "Oat", "1-2", "a=b", "ﬁne", "12.99", "'=1", "½", "Ⅷ", "é"])
def test_other_text_is_none(text: str) -> None:
    assert not is_formula(text)
