"""Integer arithmetic for money (minor units) and points: one rounding, one way to share out."""

from collections.abc import Sequence


def divide(numerator: int, denominator: int) -> int:
    """The quotient rounded half to even. `denominator` is positive."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` in proportion to the weights; sums to `total`.

    What rounding leaves over goes to the largest weight, and on to the next where a share would exceed its own weight
    though the whole would not: points never pay more of a line than it costs.
    """
    whole = sum(weights)
    if not whole:
        return [total, *[0] * (len(weights) - 1)] if weights else []
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    for place in sorted(range(len(weights)), key=lambda place: -weights[place]):
        more = left if total > whole else min(left, weights[place] - shares[place])
        shares[place] += more
        left -= more
    return shares


def points_worth(points: int, minor_per_100_points: int) -> int | None:
    """What points are worth in minor units; None where that is not a whole number of them."""
    minor, rest = divmod(points * minor_per_100_points, 100)
    return None if rest else minor
