"""Pages of a list: `cursor` and `limit` go in, `next` comes out, on every route alike.

A page begins behind the key of the last row of the page before, so rows that come and go meanwhile neither repeat nor
hide a row that stays. A cursor is opaque: base64url of the list's fingerprint and that key.
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
"""The largest `limit` of every list."""
CURSOR, NEXT = "`next` of the page before, of the same list", "send it as `cursor` for the next page; null on the last"

Key = TypeVar("Key")
Row = TypeVar("Row")
Cursor = Annotated[str | None, Query(description=CURSOR)]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="most rows of a page")]
Next = Annotated[str | None, Field(description=NEXT)]
BigInt = Annotated[int, Field(ge=-(2**63), lt=2**63, strict=True)]
"""A whole number that the database can compare with."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: Sequence[Row]
    next: str | None


@dataclass(frozen=True)
class Paging(Generic[Key]):
    """Which page of a list: the `limit` rows behind the key `after`, or the first ones."""

    query: Sequence[tuple[str, str]]  # as it was asked, without the cursor
    fingerprint: str
    after: Key | None
    limit: int

    def table(self, rows: int) -> Self:
        """The page as a table to keep: of so many rows, where the caller names no limit."""
        return self if "limit" in dict(self.query) else replace(self, limit=rows)

    def link(self, page: Page[Any]) -> dict[str, str]:
        """The header of an answer that has no place for `next` (RFC 8288), or none on the last page."""
        if page.next is None:
            return {}
        return {"Link": f'<?{urlencode([*self.query, ("cursor", page.next)])}>; rel="next"'}

    def page(self, read: Callable[[Key | None, int], Sequence[Row]], *key: str) -> Page[Row]:
        """The page that `read(after, limit)` gives; `key` names the rows' fields that they are sorted by."""
        rows = read(self.after, self.limit + 1)
        if len(rows) <= self.limit:
            return Page(rows, None)
        shown = rows[: self.limit]
        values = [getattr(shown[-1], name) for name in key]
        return Page(shown, write(self.fingerprint, values[0] if len(key) == 1 else values))


def paged(key: Any, default: int = 20) -> Any:
    """A route's dependency that reads `cursor` and `limit`; `key` is the type of the list's sort key.

    Raises BadCursor for a cursor that this list did not give.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(key)

    async def asked(request: Request, cursor: Cursor = None, limit: Limit = default) -> Paging[Any]:
        query = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] != "cursor"]
        fingerprint = fingerprint_of([request.url.path, sorted(pair for pair in query if pair[0] != "limit")])
        after = None if cursor is None else read(fingerprint, adapter, cursor)
        return Paging(query, fingerprint, after, limit)

    return Depends(asked)


ById = Annotated[Paging[UUID], paged(UUID)]
ByNumber = Annotated[Paging[int], paged(BigInt)]


def fingerprint_of(asked: object) -> str:
    """Names a list by what was asked of it: its path and filters."""
    return sha256(orjson.dumps(asked, default=str)).hexdigest()[:12]


def write(fingerprint: str, key: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([fingerprint, key])).decode().rstrip("=")


def read(fingerprint: str, key: TypeAdapter[Key], cursor: str) -> Key:
    """The key in a cursor. Raises BadCursor where it is none of ours, or another list's."""
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
