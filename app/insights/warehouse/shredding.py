"""Turn ledger revisions of orders and returns into rows of the warehouse's staging tables.

The erasure of an order or return becomes a row that names the document to delete. Other tables of the ledger are not
loaded: the warehouse's dimensions come from the application's tables (`dimensions.py`).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, ValidationError

from app.clock import local_date
from app.errors import BadInput
from app.insights.warehouse.staging import Row
from app.ledger.service import REDACTIONS
from app.times import Instant

SALES, RETURNS, DOCUMENTS = "stage_sales", "stage_returns", "stage_documents"
_KINDS = ("orders", "returns")
_MOST = 2**53


class _Line(BaseModel):
    line: int = Field(strict=True, ge=1)
    product_id: UUID
    vendor_id: UUID
    units: int = Field(strict=True, ge=1, le=_MOST)
    gross_minor: int = Field(strict=True, ge=0, le=_MOST)
    discount_minor: int = Field(strict=True, ge=0, le=_MOST)
    points_minor: int = Field(strict=True, ge=0, le=_MOST)
    paid_minor: int = Field(strict=True, ge=0, le=_MOST)


class _Order(BaseModel):
    order_id: UUID
    member_id: UUID
    placed_at: Instant
    business_date: date
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    area: str | None = Field(max_length=100)
    lines: list[_Line]


class _Return(BaseModel):
    return_id: UUID
    order_id: UUID
    member_id: UUID
    line: int = Field(strict=True, ge=1)
    units: int = Field(strict=True, ge=1, le=_MOST)
    returned_at: Instant


@dataclass
class Shredder:
    """Makes rows of staging tables from ledger blocks; `skipped` counts the other revisions, by ledger table."""

    zone: ZoneInfo
    skipped: Counter[str] = field(default_factory=Counter)

    def rows(self, block: dict[str, Any]) -> Iterator[tuple[str, Row]]:
        """Yield (staging table, row) for a block's revisions. Raises BadInput that names a malformed revision."""
        number = block["blockAddress"]["sequenceNo"]
        for leaf, revision in enumerate(block["revisions"], start=block["firstLeaf"]):
            try:
                meta = revision["metadata"]
                table, document = meta["table"], meta["id"]
                if table == REDACTIONS:
                    yield from _redaction(leaf, number, document)
                elif table not in _KINDS or "data" not in revision:  # erased revisions have no data
                    self.skipped[table] += 1
                else:
                    yield from self._fact(leaf, number, table, revision["data"])
            except ValidationError as broken:
                faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in broken.errors())
                raise BadInput(f"block {number}, {table} {document}: {faults}"[:1_000]) from None
            except (KeyError, TypeError) as broken:
                raise BadInput(f"block {number}, revision {leaf}, is none of ours: {broken!r}") from None

    def _fact(self, leaf: int, block: int, table: str, data: str) -> Iterator[tuple[str, Row]]:
        if table == "orders":
            order = _Order.model_validate_json(data)
            yield DOCUMENTS, (leaf, block, table, order.order_id)
            yield from ((SALES, _sale(leaf, block, order, line)) for line in order.lines)
        else:
            record = _Return.model_validate_json(data)
            yield DOCUMENTS, (leaf, block, table, record.return_id)
            yield RETURNS, self._returned(leaf, block, record)

    def _returned(self, leaf: int, block: int, record: _Return) -> Row:
        return (
            *(leaf, block, record.return_id, record.order_id, record.line, record.member_id, record.units),
            *(_moment(record.returned_at), local_date(record.returned_at, self.zone)),
        )


def _sale(leaf: int, block: int, order: _Order, line: _Line) -> Row:
    return (
        *(leaf, block, order.order_id, line.line, order.member_id, line.product_id, line.vendor_id, order.area),
        *(_moment(order.placed_at), order.business_date, order.currency, line.units),
        *(line.gross_minor, line.discount_minor, line.points_minor, line.paid_minor),
    )


def _redaction(leaf: int, block: int, document: str) -> Iterator[tuple[str, Row]]:
    """Yield (staging table, row) for an erased document `<table>/<id>`; nothing if its ledger table is not loaded."""
    table, _, erased = document.partition("/")
    if table in _KINDS:
        yield DOCUMENTS, (leaf, block, table, erased)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(" ")
