"""The part of a feed's report about stock: how stock numbers were interpreted, and which rows are short.

A row is short if its stock number differs from the number of units that its product now has left to sell.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from app.catalog.models import Short, StockMeans
from app.errors import BadInput, FieldError
from app.vendors.models import Counting, ShortRow, StockReport

OLDEST = timedelta(days=31)
MOST_LISTED = 1_000
MEANS = (
    "counted: units on the shelf at counted_at; units ordered here since are subtracted. Without counted_at, those "
    "ordered since the product's stock was last stated are subtracted, and the same number again changes nothing. "
    "available: units left after all orders up to counted_at, or up to now without it. "
    "The same file again without counted_at changes no stock: numbers stated since its first time are kept"
)
COUNTED_AT = "when the stock was counted, at most 31 days ago: then exactly the units ordered since are subtracted"


def check(counting: Counting, now: datetime) -> None:
    """Raise BadInput if the stock was counted in the future or more than 31 days ago."""
    if counting.at and counting.at > now:
        raise BadInput("counted_at is in the future", [FieldError("counted_at", "future", f"at most {now:%FT%TZ}")])
    if counting.at and counting.at < now - OLDEST:
        message = f"stock counted more than {OLDEST.days} days ago is not taken: count again"
        raise BadInput(message, [FieldError("counted_at", "too-old", f"at most {OLDEST.days} days ago")])


def report(
    counting: Counting, short: tuple[Short, ...], lines: Mapping[str, int], first: datetime | None
) -> StockReport:
    """Return the stock part of a feed's report. `first` is when the same file was first applied, None if never."""
    rows = tuple(_row(row, lines[row.sku], counting) for row in short[:MOST_LISTED])
    return StockReport(counting.means, counting.at, _explain(counting, first), rows, len(short) - len(rows), first)


def _row(short: Short, line: int, counting: Counting) -> ShortRow:
    if short.stands != short.stated:
        explanation = f"{short.stated} stated before, {short.stands} since: {short.left} left to sell"
        return ShortRow(line, short.sku, short.stated, None, short.left, explanation)
    ordered = short.stated - short.left
    since = f"since {counting.at:%FT%TZ}" if counting.at else "since this stock was last stated"
    explanation = f"{short.stated} stated, {ordered} of them ordered {since}: {short.left} left to sell"
    return ShortRow(line, short.sku, short.stated, ordered, short.left, explanation)


def _explain(counting: Counting, first: datetime | None) -> str:
    if first:
        return (
            f"the same file came at {first:%FT%TZ}, so its numbers are those of then: what was stated since stands, "
            "and what was ordered since stays taken. Give counted_at to have them taken as a new count"
        )
    match counting:
        case Counting(StockMeans.COUNTED, None):
            return (
                "counted, no time given: what was ordered since each product's stock was last stated is taken from it; "
                "the same number again is no new count. Give counted_at to have it exact"
            )
        case Counting(StockMeans.AVAILABLE, None):
            return "available beyond all orders up to now: taken as it is"
        case _:
            return f"{counting.means} at {counting.at:%FT%TZ}: what was ordered since is taken from it"
