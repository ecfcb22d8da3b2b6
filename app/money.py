"""Integer arithmetic for money (minor units) and points: one rounding, one way to share out."""

from collections.abc import Sequence

MOST_MINOR = 10**12
"""The most that a price, an order or a payment comes to, in minor units."""
MOST_POINTS = 10**12
"""The most points that an order earns, a cap allows or a price in points asks for."""

# ISO 4217's exponents that are not 2. CLDR's differ: they are what is usually shown, 0 for IQD.
_EXPONENTS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {currency: exponent for exponent, currencies in _EXPONENTS.items() for currency in currencies.split()}


def digits(currency: str) -> int:
    """How many digits a currency has behind the point."""
    return _DIGITS.get(currency, 2)


def minor_per_unit(currency: str) -> int:
    """How many minor units one unit of the currency has: 100 cents are a dollar."""
    return int(10 ** digits(currency))


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
