"""Product selection: pages of a search, each with a cursor to the next that stays true while products come and go."""

import base64
import json
from hashlib import sha256
from uuid import UUID

from app.catalog import search_repository
from app.catalog.models import Found, Page, Position, Search, Sort
from app.db import Session
from app.errors import BadCursor, BadInput, FieldError
from app.text import UNSTORABLE

_MOST_MINOR = 2**53


def page(session: Session, search: Search, cursor: str | None, limit: int) -> Page:
    """Raises BadCursor for a cursor of another search, BadInput for a search that can't be."""
    _check(search)
    after = _position(search, cursor) if cursor else None
    found = search_repository.page(session, search, after, limit + 1)
    shown = found[:limit]
    products = tuple(one.product for one in shown)
    return Page(products, _cursor(search, shown[-1]) if len(found) > limit else None)


def _check(search: Search) -> None:
    if search.sort is Sort.RELEVANCE and search.q is None:
        raise BadInput("relevance needs q", [FieldError("sort", "needs-q", "sort by relevance only with q")])
    if search.min_price is not None and search.max_price is not None and search.min_price > search.max_price:
        raise BadInput("min_price is above max_price", [FieldError("min_price", "above-max", "lower it")])


def _fingerprint(search: Search) -> str:
    return sha256(json.dumps(vars(search), default=str).encode()).hexdigest()[:12]


def _cursor(search: Search, last: Found) -> str:
    """base64url of [what was searched, sort key, id]."""
    said = json.dumps([_fingerprint(search), last.key, str(last.product.product_id)], separators=(",", ":"))
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def _position(search: Search, cursor: str) -> Position:
    try:
        fingerprint, key, product_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        position = Position(key, UUID(product_id))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BadCursor("the cursor is not one that this search gave; begin without one") from None
    if fingerprint != _fingerprint(search) or not _fits(search.sort, key):
        raise BadCursor("the cursor belongs to another search; begin this one without a cursor")
    return position


def _fits(sort: Sort, key: object) -> bool:
    match sort:
        case Sort.RELEVANCE:
            return isinstance(key, float) and 0 <= key <= 1_000
        case Sort.NAME:
            return isinstance(key, str) and not UNSTORABLE.search(key)
        case Sort.PRICE | Sort.PRICE_DOWN:
            return type(key) is int and 0 <= key <= _MOST_MINOR  # a bool is an int too
