"""Publish the journal to Kinesis, in QLDB's envelopes: CONTROL, BLOCK_SUMMARY, REVISION_DETAILS.

Blocks are sent in order, at least once. A record that Kinesis refuses is sent again with every later record of its
partition key, so that a document's revisions stay in order.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING, Any, cast

import orjson
from botocore.exceptions import ClientError

from app.db import Database, WriteSession
from app.errors import BadInput, NotFound
from app.faults import Passing, passing
from app.ledger import cursors, repository
from app.ledger.cursors import Stream, beyond
from app.ledger.models import STRAND, Block, Revision, Sealed, canonical
from app.ledger.records import b64
from app.loops import Pulse

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

RECORDS_A_CALL = 500  # Kinesis' limit for PutRecords, with 5 MiB
BYTES_A_CALL = 4_500_000
BLOCKS_A_ROUND = 50
SUMMARIES_A_BLOCK = 1_000
REFUSALS_A_TURN = 5
LOOK_EVERY_S = 5.0
"""Seconds between checks that the Kinesis stream was not re-created. AWS allows 20 such calls a second."""


def check(kinesis: "KinesisClient", stream: Stream) -> None:
    """Check a stream's range and its Kinesis stream. Raises BadInput, and ClientError if Kinesis denies the stream."""
    _check_range(stream)
    kinesis.describe_stream_summary(StreamName=stream.kinesis)


def start(session: WriteSession, stream: Stream) -> None:
    """Register a stream, which `Publisher.publish` then sends. Raises BadInput for a wrong range or a name taken."""
    _check_range(stream)
    if not cursors.add(session, stream):
        raise BadInput(f"there is a stream {stream.name} already")


def end(session: WriteSession, name: str, usual: str) -> None:
    """Stop sending to a stream. Raises NotFound, and BadInput for `usual`, the stream that feeds the insights."""
    if name == usual:
        raise BadInput(f"{name} is the stream that the insights are fed from; it does not end")
    if cursors.stream(session, name) is None:
        raise NotFound(f"there is no stream {name}")
    cursors.complete(session, name)


def _check_range(stream: Stream) -> None:
    if not stream.name or not stream.kinesis:
        raise BadInput("a stream and the Kinesis stream that it goes to have names")
    if stream.inclusive_start and stream.exclusive_end and stream.inclusive_start >= stream.exclusive_end:
        raise BadInput("a stream ends after it starts")


@dataclass
class _Round:
    """Blocks being sent: the remaining batches, and the position to store once all are sent."""

    batches: list[list["PutRecordsRequestEntryTypeDef"]]
    next_block: int
    made_at: datetime
    done: bool


class Publisher:
    """Sends sealed blocks to one Kinesis stream and stores its position."""

    def __init__(self, db: Database, kinesis: "KinesisClient", stream: str) -> None:
        """Open a registered stream; an unknown name becomes a stream of all blocks to that Kinesis stream."""
        self.db, self.kinesis = db, kinesis
        self._round: _Round | None = None
        with db.write() as session:
            cursors.add(session, Stream(stream, stream, None, None))
            self.stream = cast("Stream", cursors.stream(session, stream))
        self._look()

    def publish(self, stop: Event, pulse: Pulse | None = None) -> int:
        """Send the next blocks, with a heartbeat before each call to AWS; return how many records were sent.

        Records refused 5 times are left to the next call, so that the caller can check that it still leads, and send to
        other streams.
        """
        pulse = pulse or Pulse(self.stream.name, math.inf, stop)
        pulse.beat()
        if time.monotonic() > self._looked_at + LOOK_EVERY_S:
            self._look()
        if self._round is None or self._round.made_at != self.made_at:
            self._round = self._next_round(pulse)
        return self._send(self._round, pulse) if self._round else 0

    def _next_round(self, pulse: Pulse) -> _Round | None:
        with self.db.write() as session:
            stream = cast("Stream", cursors.stream(session, self.stream.name))
            if stream.completed:
                return None
            first = self._first(session, stream)
            following = repository.blocks_from(session, first, BLOCKS_A_ROUND)
            if not following and stream.next_block is None and stream.inclusive_start is not None:
                return None  # which block is its first is known once that is sealed
            blocks = [block for block in following if not beyond(block, stream.exclusive_end)]
            records = [] if stream.next_block is not None else [self._control("CREATED")]
            for block in blocks:
                pulse.beat()
                records += envelopes_of(block, repository.sealed_in(session, block), self.arn)
        done = len(blocks) < len(following)  # a block of its time may be sealed until one of a later time is
        if done:
            records.append(self._control("COMPLETED"))
        if not records:
            return None
        return _Round(list(_batches(records)), blocks[-1].sequence + 1 if blocks else first, self.made_at, done)

    def _send(self, round_: _Round, pulse: Pulse) -> int:
        """Send a round's batches, and store the position once all are sent."""
        sent = refusals = 0
        while round_.batches and refusals < REFUSALS_A_TURN and not pulse.stopping:
            unsent = self._put(round_.batches[0], pulse)
            sent += len(round_.batches[0]) - len(unsent)
            if unsent:
                round_.batches[0] = unsent
                pulse.sleep(min(0.05 * 2**refusals, 5))
                refusals += 1
            else:
                del round_.batches[0]
        if not round_.batches:
            with self.db.write() as session:
                cursors.move(session, self.stream.name, round_.next_block, round_.made_at)
                if round_.done:
                    cursors.complete(session, self.stream.name)
            self._round = None
        return sent

    def _first(self, session: WriteSession, stream: Stream) -> int:
        if stream.next_block is not None and stream.kinesis_made_at == self.made_at:
            return stream.next_block
        start = cursors.first_block_at(session, stream.inclusive_start)
        return max(start, cursors.first_block_not_applied(session)) if stream.next_block is not None else start

    def _control(self, kind: str) -> "PutRecordsRequestEntryTypeDef":
        return _record(self.arn, "CONTROL", {"controlRecordType": kind}, STRAND)

    def _look(self) -> None:
        """Read the Kinesis stream's ARN and creation time; one re-created under its name lost its records."""
        summary = self.kinesis.describe_stream_summary(StreamName=self.stream.kinesis)["StreamDescriptionSummary"]
        self.arn: str = summary["StreamARN"]
        self.made_at: datetime = summary["StreamCreationTimestamp"]
        self._looked_at = time.monotonic()

    def _put(self, batch: list["PutRecordsRequestEntryTypeDef"], pulse: Pulse) -> list["PutRecordsRequestEntryTypeDef"]:
        """Send a batch and return the records to send again."""
        pulse.beat()
        unsent = _from_first_refused(batch, self._refused(batch))
        if unsent:
            pulse.outages.lost(self.stream.name, Passing.AWS_BUSY, f"{len(unsent)} records were refused")
        return unsent

    def _refused(self, batch: Sequence["PutRecordsRequestEntryTypeDef"]) -> list[bool]:
        try:
            answer = self.kinesis.put_records(StreamName=self.stream.kinesis, Records=list(batch))
        except ClientError as refused:
            if passing(refused) is not Passing.AWS_BUSY:
                raise
            return [True] * len(batch)
        return [bool(result.get("ErrorCode")) for result in answer["Records"]]


def _from_first_refused(
    batch: Sequence["PutRecordsRequestEntryTypeDef"], refused: Sequence[bool]
) -> list["PutRecordsRequestEntryTypeDef"]:
    """Return each key's first refused record and all that follow it under that key."""
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
    """Return a block's summary and its revisions as Kinesis records. Hashes are base64, as QLDB's are."""
    address = {"strandId": STRAND, "sequenceNo": block.sequence}
    summary = {
        "blockAddress": address,
        "blockTimestamp": block.sealed_at,
        "blockHash": b64(block.hash),
        "previousBlockHash": b64(block.previous_hash),
        "entriesHash": b64(block.root),
        "treeSize": block.tree_size,
        "revisionSummaries": [{"documentId": leaf.revision.document_id, "hash": b64(leaf.hash)} for leaf in leaves],
    }
    if len(leaves) > SUMMARIES_A_BLOCK:  # a record is at most 1 MiB; a large block says how many instead of naming each
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
            "hash": b64(leaf.hash),
            **_content(revision),
            "metadata": {
                "id": revision.document_id,
                "version": leaf.version,
                "txTime": revision.tx_time,
                "txId": str(revision.tx_id),
            },
        },
        "sequence": leaf.sequence,
    }


def _content(revision: Revision) -> dict[str, object]:
    """Return the data, or an erased revision's hash of it."""
    if revision.data is None:
        return {"dataHash": b64(revision.data_hash or b"")}
    return {"data": orjson.Fragment(revision.data)}


def _record(arn: str, kind: str, payload: object, key: str) -> "PutRecordsRequestEntryTypeDef":
    data = canonical({"qldbStreamArn": arn, "recordType": kind, "payload": payload})
    return {"Data": data, "PartitionKey": key[:256]}
