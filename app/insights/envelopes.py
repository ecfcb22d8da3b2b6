"""Reading the journal's envelopes off the stream. What can't be read is poison, with the reason."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from app.insights.models import Change, Poison, Record, Sale

_OTHERS = ("CONTROL", "BLOCK_SUMMARY")


def read(record: Record) -> Change | Poison | None:
    """The revision that a record tells of; None for those that tell of blocks alone."""
    try:
        envelope = orjson.loads(record.data)
        kind = envelope["recordType"]
        if kind in _OTHERS:
            return None
        if kind != "REVISION_DETAILS":
            return Poison(record.position, f"unknown record type {kind}", record.data)
        return _change(envelope["payload"])
    except orjson.JSONDecodeError as broken:
        return Poison(record.position, f"not JSON: {broken}", record.data)
    except (KeyError, TypeError, ValueError) as broken:
        return Poison(record.position, f"not an envelope of ours: {broken!r}", record.data)


def _change(payload: dict[str, Any]) -> Change:
    sequence, data = int(payload["sequence"]), payload["revision"]["data"]
    sales = tuple(_sales(data)) if payload["tableInfo"]["tableName"] == "orders" else ()
    return Change(sequence, sales)


def _sales(order: dict[str, Any]) -> list[Sale]:
    placed_at = datetime.fromisoformat(order["placed_at"]).astimezone(UTC)
    hour = placed_at.replace(minute=0, second=0, microsecond=0)
    return [Sale(hour, UUID(line["product_id"]), line["units"], line["paid_minor"]) for line in order["lines"]]
