"""Rounding and sharing out."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.money import divide, points_worth, spread


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
