"""Tests of rounding, proportional shares and currencies."""

from decimal import ROUND_HALF_EVEN, Decimal

import iso4217
import pytest
from babel.numbers import parse_decimal
from hypothesis import given
from hypothesis import strategies as st

from app.money import MOST_MINOR, digits, divide, is_currency, minor_per_unit, points_worth, spread, written


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_divide_rounds_half_to_even_as_decimal_does(numerator: int, denominator: int) -> None:
    exact = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert divide(numerator, denominator) == exact


@pytest.mark.parametrize(("numerator", "rounded"), [(1, 0), (3, 2), (5, 2), (7, 4), (8, 4), (-1, 0), (-3, -2)])
def test_half_goes_to_the_even_neighbour(numerator: int, rounded: int) -> None:
    assert divide(numerator, 2) == rounded


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_shares_sum_to_the_total_and_stay_within_one_of_fair(total: int, weights: list[int]) -> None:
    shares = spread(total, weights)
    assert sum(shares) == total
    if sum(weights):
        largest = weights.index(max(weights))
        for place, share in enumerate(shares):
            fair = total * weights[place] // sum(weights)
            assert share == fair or (place == largest and fair <= share <= fair + len(weights))


def test_points_that_are_not_worth_whole_cents_are_worth_nothing_sayable() -> None:
    assert points_worth(150, 50) == 75
    assert points_worth(1, 50) is None


DIGITS = [("JPY", 0), ("ISK", 0), ("USD", 2), ("HUF", 2), ("IDR", 2), ("KWD", 3), ("IQD", 3), ("CLF", 4), ("HRK", 2)]


@pytest.mark.parametrize(("currency", "expected"), DIGITS)
def test_digits_are_those_of_minor_units_not_those_that_are_usually_shown(currency: str, expected: int) -> None:
    assert (digits(currency), minor_per_unit(currency)) == (expected, 10**expected)


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [
        (123450, "USD", "USD 1,234.50"),
        (1234, "JPY", "JPY 1,234"),
        (1234, "KWD", "KWD 1.234"),
        (1500, "IQD", "IQD 1.500"),
        (5, "EUR", "EUR 0.05"),
        (0, "CLF", "CLF 0.0000"),
        (-1, "HUF", "-HUF 0.01"),
    ],
)
def test_an_amount_is_written_with_all_its_digits(minor: int, currency: str, expected: str) -> None:
    assert written(minor, currency) == expected


@given(st.integers(-MOST_MINOR, MOST_MINOR), st.sampled_from([currency.code for currency in iso4217.Currency]))
def test_what_is_written_is_the_amount_in_every_currency(minor: int, currency: str) -> None:
    sign = -1 if (text := written(minor, currency)).startswith("-") else 1
    name, number = text.removeprefix("-").split(" ")
    assert (name, sign * parse_decimal(number, locale="en")) == (currency, Decimal(minor).scaleb(-digits(currency)))


@pytest.mark.parametrize("code", ["DEM", "HRK", "ZWL", "XAU", "XTS", "XXX", "QQQ", "usd", "", "US"])
def test_what_was_withdrawn_or_is_no_money_is_no_currency(code: str) -> None:
    assert not is_currency(code)


def test_currencies_of_every_number_of_digits_are_known() -> None:
    assert all(is_currency(code) for code in ("USD", "JPY", "KWD", "CLF", "HUF", "XCG", "VED"))
