"""Parse records of the ledger's Kinesis stream: revisions and block summaries in the JSON envelopes of QLDB."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

import orjson
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from app.insights.stream.models import Basket, Change, Poison, Record, Return, Sale, Sealed
from app.times import Instant

Number = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Parsed = Change | Sealed | Poison | None
"""What a record contains; None for a control record."""


class _Order(TypedDict):
    placed_at: Instant
    order_id: NotRequired[UUID | None]
    member_id: NotRequired[UUID | None]
    area: NotRequired[Annotated[str, Field(pattern=r"^[^\x00]*$")] | None]
    lines: list[Sale]


class _Metadata(TypedDict):
    version: Number


class _BlockAddress(TypedDict):
    strandId: str
    sequenceNo: Number


class _OrderRevision(TypedDict):
    blockAddress: _BlockAddress
    data: _Order
    metadata: NotRequired[_Metadata]


class _OrderDetails(TypedDict):
    revision: _OrderRevision
    sequence: Number


class _OrderEnvelope(TypedDict):
    recordType: Literal["REVISION_DETAILS"]
    payload: _OrderDetails


_ORDER, _ORDER_ENVELOPE, _RETURN = TypeAdapter(_Order), TypeAdapter(_OrderEnvelope), TypeAdapter(Return)
_OF_ORDERS = b'"tableInfo":{"tableId":"orders","tableName":"orders"}'


class _Numbered(BaseModel):
    sequence: Number


class _Addressed(BaseModel):
    blockAddress: _BlockAddress  # noqa: N815  QLDB's name

    @property
    def block(self) -> tuple[str, int]:
        """The block's strand and number."""
        return self.blockAddress["strandId"], self.blockAddress["sequenceNo"]


def read(record: Record) -> Parsed:
    """Parse a record; return Poison with the reason if it is malformed."""
    if _OF_ORDERS in record.data:
        # Most records are orders. This parses only the fields that are counted; if it fails, the code below says why.
        with suppress(ValidationError):
            payload = _ORDER_ENVELOPE.validate_json(record.data)["payload"]
            revision = payload["revision"]
            block = (revision["blockAddress"]["strandId"], revision["blockAddress"]["sequenceNo"])
            return Change(*block, payload["sequence"], None if _is_later(revision) else _basket(revision["data"]))
    try:
        return _parse(orjson.loads(record.data))
    except orjson.JSONDecodeError as error:
        reason = f"not JSON: {error}"
    except ValidationError as invalid:
        faults = "; ".join(f"{error['loc']}: {error['msg']}" for error in invalid.errors())
        reason = f"not a record of ours: {faults}"
    except (KeyError, TypeError, ValueError) as error:
        reason = f"not an envelope of ours: {error!r}"
    return Poison(record.position, reason.replace("\0", "")[:1_000], record.data)


def _parse(envelope: dict[str, Any]) -> Change | Sealed | None:
    match envelope["recordType"]:
        case "REVISION_DETAILS":
            return _change(envelope["payload"])
        case "BLOCK_SUMMARY":
            return Sealed(*_Addressed.model_validate(envelope["payload"]).block)
        case "CONTROL":
            return None
        case unknown:
            raise ValueError(f"unknown record type {unknown}")


def _change(payload: dict[str, Any]) -> Change:
    revision = payload["revision"]
    place = (*_Addressed.model_validate(revision).block, _Numbered.model_validate(payload).sequence)
    if "dataHash" in revision or _is_later(revision):
        return Change(*place, None)  # an erased revision has only its hash
    match payload["tableInfo"]["tableName"]:
        case "orders":
            return Change(*place, _basket(_ORDER.validate_python(revision["data"])))
        case "returns":
            return Change(*place, None, _RETURN.validate_python(revision["data"]))
        case _:
            return Change(*place, None)


def _is_later(revision: Mapping[str, Any]) -> bool:
    """Return whether a revision is not its document's first; later revisions record an erasure, not a sale."""
    return bool(revision.get("metadata", {}).get("version", 0))


def _basket(order: _Order) -> Basket:
    return Basket(order["placed_at"], order.get("member_id"), order.get("area"), order["lines"], order.get("order_id"))
