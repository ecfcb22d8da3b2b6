"""Reading the journal's envelopes off the stream. What can't be read is poison, with the reason."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, Field, ValidationError

from app.insights.stream.models import Basket, Change, Poison, Record, Sale, Sealed
from app.times import Instant

_MOST = 2**53


class _Line(BaseModel):
    product_id: UUID
    units: int = Field(strict=True, ge=1, le=_MOST)
    paid_minor: int = Field(strict=True, ge=0, le=_MOST)


class _Order(BaseModel):
    placed_at: Instant
    member_id: UUID | None = None
    area: str | None = Field(None, pattern=r"^[^\x00]*$")
    lines: list[_Line]

    def basket(self) -> Basket:
        sales = [Sale(line.product_id, line.units, line.paid_minor) for line in self.lines]
        return Basket(self.placed_at, hour_of(self.placed_at), self.member_id, self.area, sales)


class _Numbered(BaseModel):
    sequence: int = Field(strict=True, ge=0, le=_MOST)


class _Address(BaseModel):
    sequenceNo: int = Field(strict=True, ge=0, le=_MOST)  # noqa: N815  QLDB's name


class _Summary(BaseModel):
    blockAddress: _Address  # noqa: N815  QLDB's name


def hour_of(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def read(record: Record) -> Change | Sealed | Poison | None:
    """The revision or block that a record tells of; None for those that tell of the stream alone."""
    try:
        return _told(orjson.loads(record.data))
    except orjson.JSONDecodeError as broken:
        reason = f"not JSON: {broken}"
    except ValidationError as broken:
        said = "; ".join(f"{error['loc']}: {error['msg']}" for error in broken.errors())
        reason = f"not a record of ours: {said}"
    except (KeyError, TypeError, _UnknownType) as broken:
        reason = f"not an envelope of ours: {broken!r}"
    return Poison(record.position, reason.replace("\0", "")[:1_000], record.data)


class _UnknownType(Exception):
    pass


def _told(envelope: dict[str, Any]) -> Change | Sealed | None:
    match envelope["recordType"]:
        case "REVISION_DETAILS":
            return _change(envelope["payload"])
        case "BLOCK_SUMMARY":
            return Sealed(_Summary.model_validate(envelope["payload"]).blockAddress.sequenceNo)
        case "CONTROL":
            return None
        case unknown:
            raise _UnknownType(unknown)


def _change(payload: dict[str, Any]) -> Change:
    sequence = _Numbered.model_validate(payload).sequence
    revision = payload["revision"]
    if payload["tableInfo"]["tableName"] != "orders" or "dataHash" in revision:  # of an erased one that is all there is
        return Change(sequence, None)
    return Change(sequence, _Order.model_validate(revision["data"]).basket())
