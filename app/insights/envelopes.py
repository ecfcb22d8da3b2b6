"""Reading the journal's envelopes off the stream. What can't be read is poison, with the reason."""

from datetime import UTC
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, Field, ValidationError

from app.insights.models import Change, Poison, Record, Sale
from app.times import Instant

_BLOCKS = ("CONTROL", "BLOCK_SUMMARY")
_MOST = 2**53


class _Line(BaseModel):
    product_id: UUID
    units: int = Field(strict=True, ge=1, le=_MOST)
    paid_minor: int = Field(strict=True, ge=0, le=_MOST)


class _Order(BaseModel):
    placed_at: Instant
    lines: list[_Line]

    def sales(self) -> tuple[Sale, ...]:
        hour = self.placed_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return tuple(Sale(hour, line.product_id, line.units, line.paid_minor) for line in self.lines)


class _Numbered(BaseModel):
    sequence: int = Field(strict=True, ge=0, le=_MOST)


def read(record: Record) -> Change | Poison | None:
    """The revision that a record tells of; None for those that tell of blocks alone."""
    try:
        envelope = orjson.loads(record.data)
        kind = envelope["recordType"]
        if kind in _BLOCKS:
            return None
        if kind != "REVISION_DETAILS":
            return Poison(record.position, f"unknown record type {kind!r}", record.data)
        return _change(envelope["payload"])
    except orjson.JSONDecodeError as broken:
        return Poison(record.position, f"not JSON: {broken}", record.data)
    except ValidationError as broken:
        said = "; ".join(f"{error['loc']}: {error['msg']}" for error in broken.errors())
        return Poison(record.position, f"not an order of ours: {said}"[:1_000], record.data)
    except (KeyError, TypeError) as broken:
        return Poison(record.position, f"not an envelope of ours: {broken!r}", record.data)


def _change(payload: dict[str, Any]) -> Change:
    sequence = _Numbered.model_validate(payload).sequence
    revision = payload["revision"]
    if payload["tableInfo"]["tableName"] != "orders" or "dataHash" in revision:  # of an erased one that is all there is
        return Change(sequence, ())
    return Change(sequence, _Order.model_validate(revision["data"]).sales())
