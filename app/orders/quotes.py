"""Quotes of orders, and the check that an order still costs and earns what its member expects.

A quote is not stored: its id encodes its price, points and return terms. The id is not signed, because a forged one
could only get an order refused, never change its price.
"""

import base64
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Self
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from app.clock import Clock
from app.errors import BadInput, Conflict, FieldError
from app.money import written
from app.orders.models import Expected, OrderDraft, Placed

HOLDS = timedelta(minutes=15)
"""How long a quote is valid."""
LONGEST_ID = 400


@dataclass
class PriceChanged(Conflict):
    """Raised if an order's price or points are not those that the member expects; the response has the current ones."""

    code, title = "price-changed", "The order costs or earns something else now"
    paid_minor: int = 0
    earns: int = 0
    members: dict[str, object] = field(init=False)
    sample = "the order costs USD 3.49 now, not USD 2.99"

    @classmethod
    def example(cls) -> Self:
        return cls(cls.sample, paid_minor=349, earns=17)

    def __post_init__(self) -> None:
        self.members = {"paid_minor": self.paid_minor, "earns": self.earns}


class TermsChanged(Conflict):
    code, title = "terms-changed", "The order can be returned on other terms now"
    sample = "the order can be returned on other terms now than were quoted: ask for a new quote"


class QuoteOver(Conflict):
    code, title = "quote-over", "The quote no longer holds"
    sample = "the quote held until 2026-03-02 15:15 UTC: ask for a new one"


@dataclass(frozen=True)
class Quote:
    """A price and points that are valid for an order until a time; `order` is a fingerprint of member and order draft.

    `terms` is a fingerprint of the lines' return terms; quotes from earlier releases have None.
    """

    order: str
    paid_minor: int
    earns: int
    until: datetime
    terms: str | None = None


_QUOTE = TypeAdapter(Quote)


def quote_of(placed: Placed, draft: OrderDraft, clock: Clock) -> Quote:
    order = placed.order
    fingerprint = _fingerprint(order.member_id, draft)
    return Quote(fingerprint, order.paid_minor, placed.earns, clock.now() + HOLDS, _terms(placed))


def id_of(quote: Quote) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(quote, option=orjson.OPT_UTC_Z)).decode().rstrip("=")


def expected(
    member_id: UUID, draft: OrderDraft, total_minor: int | None, quote_id: str | None, clock: Clock
) -> OrderDraft:
    """Return the draft with `expected` filled in from the quote or from `total_minor`. Raises QuoteOver, BadInput."""
    quote = _read(quote_id, member_id, draft) if quote_id else None
    if quote and quote.until <= clock.now():
        raise QuoteOver(f"the quote held until {quote.until:%Y-%m-%d %H:%M} UTC: ask for a new one")
    if quote and total_minor not in (None, quote.paid_minor):
        wrong = FieldError("expected_total_minor", "not-as-quoted", f"the quote says {quote.paid_minor}")
        raise BadInput(f"{total_minor} is expected, but the quote says {quote.paid_minor}", [wrong])
    if quote:
        return replace(draft, expected=Expected(quote.paid_minor, quote.earns, quote.terms))
    return draft if total_minor is None else replace(draft, expected=Expected(total_minor))


def must_be_as_expected(placed: Placed, expected: Expected | None) -> None:
    """Raise PriceChanged if an order's price or points are not as expected, TermsChanged if return terms are not."""
    if expected is None:
        return
    paid, earns, currency = placed.order.paid_minor, placed.earns, placed.order.currency
    if paid != expected.paid_minor:
        costs = f"the order costs {written(paid, currency)} now, not {written(expected.paid_minor, currency)}"
        raise PriceChanged(costs, paid_minor=paid, earns=earns)
    if expected.earns not in (None, earns):
        raise PriceChanged(f"the order earns {earns} points now, not {expected.earns}", paid_minor=paid, earns=earns)
    if expected.terms not in (None, _terms(placed)):
        raise TermsChanged("the order can be returned on other terms now than were quoted: ask for a new quote")


def _terms(placed: Placed) -> str:
    document = orjson.dumps([line.return_terms for line in placed.lines], option=orjson.OPT_SORT_KEYS)
    return sha256(document).hexdigest()[:16]


def _fingerprint(member_id: UUID, draft: OrderDraft) -> str:
    lines = [[line.product_id, line.units] for line in draft.lines]
    document = orjson.dumps([member_id, lines, draft.pay_points, draft.voucher])
    return sha256(document).hexdigest()[:32]


def _read(quote_id: str, member_id: UUID, draft: OrderDraft) -> Quote:
    try:
        quote = _QUOTE.validate_json(base64.urlsafe_b64decode(quote_id + "=" * (-len(quote_id) % 4)))
    except (ValueError, ValidationError):
        raise BadInput(
            "the quote's id is none of ours", [FieldError("quote_id", "unknown-quote", "is not a quote's id")]
        ) from None
    if quote.order != _fingerprint(member_id, draft):
        raise BadInput("the quote is of another order", [FieldError("quote_id", "other-order", "quote this order")])
    return replace(quote, until=quote.until if quote.until.tzinfo else quote.until.replace(tzinfo=UTC))
