"""Integer arithmetic for money (in minor units) and points: rounding, proportional shares, and formatting."""

from collections.abc import Sequence
from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

MOST_MINOR = 10**12
"""Largest price, order total or payment, in minor units."""
MOST_POINTS = 10**12
"""Most points that an order earns, a cap allows or an offer costs."""
LANGUAGE = "en"
"""Locale in which amounts are formatted; Lambda packages contain Babel's data of this locale only."""

_EXPONENTS = {currency.code: currency.exponent for currency in Currency}


def is_currency(code: str) -> bool:
    """Return true for a current ISO 4217 currency with minor units; false for withdrawn ones, metals and test codes."""
    return _EXPONENTS.get(code) is not None


def digits(currency: str) -> int:
    """Return a currency's number of decimal digits by ISO 4217, or by CLDR for a withdrawn currency."""
    exponent = _EXPONENTS.get(currency)
    return get_currency_precision(currency) if exponent is None else exponent


def written(minor: int, currency: str) -> str:
    """Format an amount with all its currency's digits: USD 1,234.50, JPY 1,234, KWD 1.234."""
    places = digits(currency)
    pattern = f"¤¤ #,##0.{'0' * places}" if places else "¤¤ #,##0"
    amount = Decimal(minor).scaleb(-places)
    return format_currency(amount, currency, pattern, locale=LANGUAGE, currency_digits=False)


def minor_per_unit(currency: str) -> int:
    """Return how many minor units make one unit of the currency: 100 cents a dollar."""
    return int(10 ** digits(currency))


def divide(numerator: int, denominator: int) -> int:
    """Return the quotient rounded half to even. `denominator` is positive."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` into shares in proportion to the weights; the shares sum to `total`.

    What rounding leaves over goes to the largest weights. No share exceeds its weight unless `total` exceeds their
    sum, so points never pay more of an order line than it costs.
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
    """Return the points' value in minor units; None if it is not a whole number."""
    minor, rest = divmod(points * minor_per_100_points, 100)
    return None if rest else minor
