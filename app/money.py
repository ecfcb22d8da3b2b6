"""Integer arithmetic for money (minor units) and points: one rounding, one way to share out, one way to write a sum."""

from collections.abc import Sequence
from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

MOST_MINOR = 10**12
"""The most that a price, an order or a payment comes to, in minor units."""
MOST_POINTS = 10**12
"""The most points that an order earns, a cap allows or a price in points asks for."""
LANGUAGE = "en"
"""What people are told is English; the functions' zip has Babel's data of this language alone."""

_EXPONENTS = {currency.code: currency.exponent for currency in Currency}


def is_currency(code: str) -> bool:
    """Whether ISO 4217's list has it now, as money with minor units: neither withdrawn, nor a metal or a test code."""
    return _EXPONENTS.get(code) is not None


def digits(currency: str) -> int:
    """How many digits a currency has behind the point.

    They are ISO 4217's, as an amount in minor units means them. CLDR's are what is usually shown, none for the Iraqi
    dinar and the forint: they count only for a currency that was withdrawn since its shop began.
    """
    exponent = _EXPONENTS.get(currency)
    return get_currency_precision(currency) if exponent is None else exponent


def written(minor: int, currency: str) -> str:
    """An amount as people read it, with all its currency's digits: USD 1,234.50, JPY 1,234, KWD 1.234."""
    places = digits(currency)
    pattern = f"¤¤ #,##0.{'0' * places}" if places else "¤¤ #,##0"
    amount = Decimal(minor).scaleb(-places)
    return format_currency(amount, currency, pattern, locale=LANGUAGE, currency_digits=False)


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
