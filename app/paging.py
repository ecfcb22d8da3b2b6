"""Keyset pagination of lists: requests take `cursor` and `limit`, responses have the `next` cursor.

A page begins after the sort key of the previous page's last row, so rows inserted or deleted meanwhile neither repeat
nor hide others. A cursor is base64url of the list's fingerprint and that sort key.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Any, Generic, Self, TypeVar
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import orjson
from fastapi import Depends, Query, Request
from pydantic import Field, TypeAdapter, ValidationError

from app.errors import BadCursor, FieldError
from app.text import UNSTORABLE

MOST_ROWS = 100
"""Largest `limit` of any list."""
CURSOR, NEXT = "`next` of the page before, of the same list", "send it as `cursor` for the next page; null on the last"

Key = TypeVar("Key")
Row = TypeVar("Row")
Cursor = Annotated[str | None, Query(description=CURSOR)]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="most rows of a page")]
Next = Annotated[str | None, Field(description=NEXT)]
BigInt = Annotated[int, Field(ge=-(2**63), lt=2**63, strict=True)]
"""An integer that fits PostgreSQL's bigint."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: Sequence[Row]
    next: str | None


@dataclass(frozen=True)
class Paging(Generic[Key]):
    """A requested page of a list: `limit` rows after the sort key `after`, or the first rows if it is None."""

    query: Sequence[tuple[str, str]]  # of the request, without the cursor
    fingerprint: str
    after: Key | None
    limit: int

    def table(self, rows: int) -> Self:
        """Return this Paging, with the limit `rows` if the request sets none. CSV responses use it for longer pages."""
        return self if "limit" in dict(self.query) else replace(self, limit=rows)

    def link(self, page: Page[Any]) -> dict[str, str]:
        """Return the Link header to the next page (RFC 8288), for CSV responses; no header on the last page."""
        if page.next is None:
            return {}
        return {"Link": f'<?{urlencode([*self.query, ("cursor", page.next)])}>; rel="next"'}

    def page(self, read: Callable[[Key | None, int], Sequence[Row]], *key: str) -> Page[Row]:
        """Return the page of rows that `read(after, limit)` returns; `key` names the fields that rows are sorted by."""
        rows = read(self.after, self.limit + 1)
        if len(rows) <= self.limit:
            return Page(rows, None)
        shown = rows[: self.limit]
        values = [getattr(shown[-1], name) for name in key]
        return Page(shown, write(self.fingerprint, values[0] if len(key) == 1 else values))


def paged(key: Any, default: int = 20) -> Any:
    """Return a route's dependency that makes a Paging from `cursor` and `limit`. `key` is the sort key's type."""
    adapter: TypeAdapter[Any] = TypeAdapter(key)

    async def paging(request: Request, cursor: Cursor = None, limit: Limit = default) -> Paging[Any]:
        query = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] != "cursor"]
        fingerprint = fingerprint_of([request.url.path, sorted(pair for pair in query if pair[0] != "limit")])
        after = None if cursor is None else read(fingerprint, adapter, cursor)
        return Paging(query, fingerprint, after, limit)

    return Depends(paging)


ById = Annotated[Paging[UUID], paged(UUID)]
ById100 = Annotated[Paging[UUID], paged(UUID, default=100)]
ByNumber = Annotated[Paging[int], paged(BigInt)]


def fingerprint_of(query: object) -> str:
    """Return a hash of a list's path and filters, which its cursors contain."""
    return sha256(orjson.dumps(query, default=str)).hexdigest()[:12]


def write(fingerprint: str, key: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([fingerprint, key])).decode().rstrip("=")


def read(fingerprint: str, key: TypeAdapter[Key], cursor: str) -> Key:
    """Return the sort key in a cursor. Raises BadCursor if it is malformed or of another list."""
    try:
        owner, value = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        position = key.validate_json(orjson.dumps(value))
    except (ValueError, TypeError, ValidationError, RecursionError):
        raise _refused("is not one that this list gave") from None
    if owner != fingerprint:
        raise _refused("belongs to another list, or to other filters")
    parts = value if isinstance(value, list) else [value]
    if any(isinstance(part, str) and UNSTORABLE.search(part) for part in parts):
        raise _refused("is not one that this list gave")
    return position


def _refused(why: str) -> BadCursor:
    return BadCursor(f"the cursor {why}: begin without one", [FieldError("cursor", BadCursor.code, why)])
