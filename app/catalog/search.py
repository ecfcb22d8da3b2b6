"""Search products page by page; a cursor stays valid while products are added and removed."""

import re
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, TypeAdapter

from app import paging
from app.catalog import search_repository
from app.catalog.models import Page, Position, Search, SearchHit, Sort
from app.db import Session
from app.errors import BadCursor, BadInput, FieldError

_OPERATORS = re.compile(r'(?:^|\s)-|"')
_PRICES = TypeAdapter(tuple[Annotated[int, Field(ge=0, le=2**53, strict=True)], UUID])
_KEYS: dict[Sort, TypeAdapter[Any]] = {
    Sort.RELEVANCE: TypeAdapter(tuple[Annotated[float, Field(ge=0, le=1_000, strict=True)], UUID]),
    Sort.NAME: TypeAdapter(tuple[Annotated[str, Field(strict=True)], UUID]),
    Sort.PRICE: _PRICES,
    Sort.PRICE_DOWN: _PRICES,
}
"""The types of a cursor's values (sort key, product id) for each sort order."""


def page(session: Session, search: Search, cursor: str | None, limit: int) -> Page:
    """Return a page of products that match whole words or, if no product does, beginnings of words and SKUs.

    Raises BadCursor for a cursor of another search, BadInput for contradictory conditions.
    """
    _check(search)
    search, after = _begin(search, cursor)
    hits = search_repository.page(session, search, after, limit + 1)
    if not hits and cursor is None and search.q is not None and not _OPERATORS.search(search.q):
        search = replace(search, parts=True)
        hits = search_repository.page(session, search, None, limit + 1)
    page_hits = hits[:limit]
    products = tuple(hit.product for hit in page_hits)
    return Page(products, _cursor(search, page_hits[-1]) if len(hits) > limit else None)


def _begin(search: Search, cursor: str | None) -> tuple[Search, Position | None]:
    """Return the search to continue and the position to continue after; None is the first page.

    The search returned has `parts` set if the previous page matched beginnings of words. Raises BadCursor for a cursor
    of another search.
    """
    if cursor is None:
        return search, None
    try:
        return search, _position(search, cursor)
    except BadCursor:
        if search.q is None:
            raise
    search = replace(search, parts=True)
    return search, _position(search, cursor)


def _check(search: Search) -> None:
    if search.sort is Sort.RELEVANCE and search.q is None:
        raise BadInput("relevance needs q", [FieldError("sort", "needs-q", "sort by relevance only with q")])
    if search.min_price is not None and search.max_price is not None and search.min_price > search.max_price:
        raise BadInput("min_price is above max_price", [FieldError("min_price", "above-max", "lower it")])


def _fingerprint(search: Search) -> str:
    return paging.fingerprint_of(vars(search))


def _cursor(search: Search, last: SearchHit) -> str:
    return paging.write(_fingerprint(search), (last.key, last.product.product_id))


def _position(search: Search, cursor: str) -> Position:
    return Position(*paging.read(_fingerprint(search), _KEYS[search.sort], cursor))
