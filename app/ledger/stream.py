"""The journal on Kinesis, in QLDB's envelopes: CONTROL, BLOCK_SUMMARY, REVISION_DETAILS.

Blocks go out in order, at least once. A record that Kinesis refused goes again together with every later record of the
same partition key, so that a document's revisions never overtake each other.
"""

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING, Any, cast

import orjson
import structlog

from app.db import Database
from app.ledger import repository
from app.ledger.models import Block, Sealed, canonical

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

log = structlog.get_logger()

LEDGER = "rewards"
STRAND = "journal"
RECORDS_A_CALL = 500  # Kinesis' limit for PutRecords, with 5 MiB
BYTES_A_CALL = 4_500_000
BLOCKS_A_ROUND = 50


class Publisher:
    """Sends sealed blocks to one stream and remembers how far it came."""

    def __init__(self, db: Database, kinesis: "KinesisClient", stream: str) -> None:
        self.db, self.kinesis, self.stream = db, kinesis, stream
        summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
        self.arn: str = summary["StreamARN"]
        self.created_at: datetime = summary["StreamCreationTimestamp"]

    def publish(self, stop: Event) -> int:
        """Send the next blocks; how many records went out."""
        with self.db.write() as session:
            first = repository.next_to_publish(session, self.stream, self.created_at)
            blocks = repository.blocks_from(session, first, BLOCKS_A_ROUND)
            envelopes = [
                envelope
                for block in blocks
                for envelope in envelopes_of(block, repository.sealed_in(session, block.sequence), self.arn)
            ]
        for batch in _batches(envelopes):
            self._put(batch, stop)
            if stop.is_set():
                return 0
        if blocks:
            with self.db.write() as session:
                repository.published(session, self.stream, blocks[-1].sequence + 1)
        return len(envelopes)

    def _put(self, batch: Sequence["PutRecordsRequestEntryTypeDef"], stop: Event) -> None:
        pause = 0.05
        while batch and not stop.is_set():
            answer = self.kinesis.put_records(StreamName=self.stream, Records=list(batch))
            refused = [bool(result.get("ErrorCode")) for result in answer["Records"]]
            batch = _from_first_refused(batch, refused)
            if batch:
                log.info("stream refused records", records=len(batch))
                stop.wait(pause)
                pause = min(pause * 2, 5)


def _from_first_refused(
    batch: Sequence["PutRecordsRequestEntryTypeDef"], refused: Sequence[bool]
) -> Sequence["PutRecordsRequestEntryTypeDef"]:
    """The refused records, each with all that follow it under the same key."""
    keys: set[str] = set()
    again = []
    for record, was_refused in zip(batch, refused, strict=True):
        if was_refused:
            keys.add(record["PartitionKey"])
        if record["PartitionKey"] in keys:
            again.append(record)
    return again


def _batches(records: Iterable["PutRecordsRequestEntryTypeDef"]) -> Iterable[list["PutRecordsRequestEntryTypeDef"]]:
    batch: list[PutRecordsRequestEntryTypeDef] = []
    size = 0
    for record in records:
        length = len(cast("bytes", record["Data"])) + len(record["PartitionKey"])
        if batch and (len(batch) == RECORDS_A_CALL or size + length > BYTES_A_CALL):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch


def envelopes_of(block: Block, leaves: Sequence[Sealed], arn: str) -> list["PutRecordsRequestEntryTypeDef"]:
    """A block's summary and its revisions as Kinesis records. Hashes are base64, as QLDB's are."""
    address = {"strandId": STRAND, "sequenceNo": block.sequence}
    summary = {
        "blockAddress": address,
        "blockTimestamp": block.sealed_at,
        "blockHash": _b64(block.hash),
        "previousBlockHash": _b64(block.previous_hash),
        "entriesHash": _b64(block.root),
        "treeSize": block.tree_size,
        "revisionSummaries": [{"documentId": leaf.revision.document_id, "hash": _b64(leaf.hash)} for leaf in leaves],
    }
    if len(leaves) > 1_000:  # a record is at most 1 MiB; a large block says how many instead of naming each
        summary["revisionSummaries"] = []
    records = [_record(arn, "BLOCK_SUMMARY", summary, STRAND)]
    records += [_record(arn, "REVISION_DETAILS", _details(address, leaf), leaf.revision.document_id) for leaf in leaves]
    return records


def _details(address: dict[str, Any], leaf: Sealed) -> dict[str, Any]:
    revision = leaf.revision
    return {
        "tableInfo": {"tableName": revision.table_name, "tableId": revision.table_name},
        "revision": {
            "blockAddress": address,
            "hash": _b64(leaf.hash),
            "data": orjson.Fragment(revision.data),
            "metadata": {
                "id": revision.document_id,
                "version": leaf.version,
                "txTime": revision.tx_time,
                "txId": revision.tx_id,
            },
        },
        "sequence": leaf.sequence,
    }


def _record(arn: str, kind: str, payload: object, key: str) -> "PutRecordsRequestEntryTypeDef":
    data = canonical({"qldbStreamArn": arn, "recordType": kind, "payload": payload})
    return {"Data": data, "PartitionKey": key[:256]}


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
