"""Read lost blocks back: those that exports in S3 or the Kinesis stream have, and the restored ledger lacks.

An export has salt and data, from which the leaf hash is computed again. A stream's record has data and leaf hash but no
salt: only the hash can be verified.
"""

import base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from app.errors import BadInput
from app.ledger import offline
from app.ledger.archive import Archive, span
from app.ledger.strands import Blocks

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_CLOCKS_DIFFER = timedelta(hours=1)
_RECORDS_A_CALL = 5_000


class Source(StrEnum):
    EXPORT = "export"
    STREAM = "stream"


@dataclass(frozen=True)
class LostRevision:
    """A revision of a lost block: its strand, block, leaf number and leaf hash. `data` is None if it was erased."""

    strand: str
    block: int
    leaf: int
    hash: bytes
    table_name: str
    document_id: str
    version: int
    tx_id: int
    tx_time: datetime
    data: Any
    source: Source


Place = tuple[str, int]
"""A revision's strand and leaf number."""


def read(
    blocks: Blocks, count: int, since: datetime | None, archive: Archive, kinesis: "KinesisClient", stream: str
) -> dict[Place, LostRevision]:
    """Return the revisions of all lost blocks that exports or the stream have; exports are preferred.

    The ledger has `count` blocks; `since`, the time of its newest sealed revision, limits what is read of the stream.
    Holds all of them in memory. Raises BadInput if an export's revision does not have the hash that the export says.
    """
    lost = {(revision.strand, revision.leaf): revision for revision in _of_stream(kinesis, stream, since)}
    lost |= {(revision.strand, revision.leaf): revision for revision in _of_exports(archive, count)}
    return {place: lost[place] for place in sorted(lost) if blocks.lost(lost[place].strand, lost[place].block)}


def _of_exports(archive: Archive, blocks: int) -> Iterator[LostRevision]:
    for key in archive.keys(f"{archive.prefix}/"):
        if not key.endswith(".json") or span(key)[1] < blocks:
            continue
        for block in map(orjson.loads, (archive.read(key) or b"").splitlines()):
            for leaf, revision in enumerate(block["revisions"], start=block["firstLeaf"]):
                if offline.revision_leaf(revision) != base64.b64decode(revision["hash"]):
                    raise BadInput(f"{key}: revision {leaf} was changed")
                data = revision.get("data")
                parsed = _revision(revision, leaf, revision["metadata"]["table"], Source.EXPORT)
                yield replace(parsed, data=orjson.loads(data) if data else None)


def _of_stream(kinesis: "KinesisClient", stream: str, since: datetime | None) -> Iterator[LostRevision]:
    """Yield the revisions on the stream that were sent after about `since`; None means all that it still has."""
    for record in _records(kinesis, stream, since and since - _CLOCKS_DIFFER):
        with suppress(ValueError, KeyError, TypeError):  # a record that nobody can read names nothing
            envelope = orjson.loads(record)
            if envelope["recordType"] == "REVISION_DETAILS":
                payload = envelope["payload"]
                table = payload["tableInfo"]["tableName"]
                yield _revision(payload["revision"], payload["sequence"], table, Source.STREAM)


def _records(kinesis: "KinesisClient", stream: str, since: datetime | None) -> Iterator[bytes]:
    pages = kinesis.get_paginator("list_shards").paginate(StreamName=stream)
    for shard in (shard["ShardId"] for page in pages for shard in page["Shards"]):
        start: Any = {"ShardIteratorType": "TRIM_HORIZON"}
        if since:
            start = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": since}
        at: str | None = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **start)["ShardIterator"]
        while at:
            answer = kinesis.get_records(ShardIterator=at, Limit=_RECORDS_A_CALL)
            yield from (record["Data"] for record in answer["Records"])
            at = answer.get("NextShardIterator") if answer["Records"] or answer.get("MillisBehindLatest") else None


def _revision(revision: dict[str, Any], leaf: int, table: str, source: Source) -> LostRevision:
    address, metadata = revision["blockAddress"], revision["metadata"]
    return LostRevision(
        strand=address["strandId"],
        block=address["sequenceNo"],
        leaf=leaf,
        hash=base64.b64decode(revision["hash"]),
        table_name=table,
        document_id=metadata["id"],
        version=metadata["version"],
        tx_id=int(metadata["txId"]),
        tx_time=datetime.fromisoformat(metadata["txTime"]),
        data=revision.get("data"),
        source=source,
    )
