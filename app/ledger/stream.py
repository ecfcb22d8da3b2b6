"""Publish sealed blocks to Kinesis as QLDB's record types: CONTROL, BLOCK_SUMMARY, REVISION_DETAILS.

Blocks are sent in order, at least once. A record that Kinesis refuses is sent again with every later record of its
partition key, so that a document's revisions stay in order.
"""

import math
import time
from collections.abc import Sequence
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
from app.ledger.cursors import Stream
from app.ledger.models import STRAND, Block, Sealed, canonical
from app.ledger.records import address, b64, block_header, revision_metadata
from app.ledger.service import batches
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
"""Seconds between checks whether the Kinesis stream was re-created. AWS allows 20 such calls per second."""


def check(kinesis: "KinesisClient", stream: Stream) -> None:
    """Raise BadInput if the time range or a name is empty, ClientError if AWS can't describe the Kinesis stream."""
    _check_range(stream)
    kinesis.describe_stream_summary(StreamName=stream.kinesis)


def start(session: WriteSession, stream: Stream) -> None:
    """Register a stream, whose blocks the worker then sends. Raises BadInput for an empty range or a name in use."""
    _check_range(stream)
    if not cursors.add(session, stream):
        raise BadInput(f"there is a stream {stream.name} already")


def end(session: WriteSession, name: str, usual: str) -> None:
    """End a stream. Raises NotFound if none has this name; BadInput if it is `usual`, from which sales are counted."""
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
    """Blocks being sent to Kinesis: the batches not sent yet, and the block number to store when all are sent."""

    batches: list[list["PutRecordsRequestEntryTypeDef"]]
    next_block: int
    made_at: datetime
    done: bool


class Publisher:
    """Sends sealed blocks to one Kinesis stream and stores the number of the next block to send."""

    def __init__(self, db: Database, kinesis: "KinesisClient", stream: str) -> None:
        """Open the stream; if it isn't registered, register it to send all blocks to the Kinesis stream of its name."""
        self.db, self.kinesis = db, kinesis
        self._round: _Round | None = None
        with db.write() as session:
            cursors.add(session, Stream(stream, stream, None, None))
            self.stream = cast("Stream", cursors.stream(session, stream))
        self._look()

    def publish(self, stop: Event, pulse: Pulse | None = None) -> int:
        """Send the next blocks, with a heartbeat before each call to AWS; return how many records were sent.

        Returns after 5 refused attempts, so that the caller can check its lock and serve other streams; the next call
        sends the rest.
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
                return None  # the stream's first block is not sealed yet
            end = stream.exclusive_end
            blocks = [block for block in following if end is None or block.sealed_at < end]
            records = [] if stream.next_block is not None else [self._control("CREATED")]
            for block in blocks:
                pulse.beat()
                records += envelopes_of(block, repository.sealed_in(session, block), self.arn)
        done = len(blocks) < len(following)  # only a block after the range shows that the range is complete
        if done:
            records.append(self._control("COMPLETED"))
        if not records:
            return None
        grouped = list(batches(records, _size, BYTES_A_CALL, RECORDS_A_CALL))
        return _Round(grouped, blocks[-1].sequence + 1 if blocks else first, self.made_at, done)

    def _send(self, round_: _Round, pulse: Pulse) -> int:
        """Send a round's batches; once all are sent, store the next block's number. Return the number of records."""
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
        """Read the Kinesis stream's ARN and creation time; a new creation time means a re-created, empty stream."""
        summary = self.kinesis.describe_stream_summary(StreamName=self.stream.kinesis)["StreamDescriptionSummary"]
        self.arn: str = summary["StreamARN"]
        self.made_at: datetime = summary["StreamCreationTimestamp"]
        self._looked_at = time.monotonic()

    def _put(self, batch: list["PutRecordsRequestEntryTypeDef"], pulse: Pulse) -> list["PutRecordsRequestEntryTypeDef"]:
        """Send a batch; return the records that must be sent again."""
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
    """Return, for each partition key, the first record that Kinesis refused and all later records of the key."""
    keys: set[str] = set()
    again = []
    for record, was_refused in zip(batch, refused, strict=True):
        if was_refused:
            keys.add(record["PartitionKey"])
        if record["PartitionKey"] in keys:
            again.append(record)
    return again


def _size(record: "PutRecordsRequestEntryTypeDef") -> int:
    return len(cast("bytes", record["Data"])) + len(record["PartitionKey"])


def envelopes_of(block: Block, leaves: Sequence[Sealed], arn: str) -> list["PutRecordsRequestEntryTypeDef"]:
    """Return a block's summary and revisions as Kinesis records; a summary of over 1000 revisions doesn't list them."""
    summaries = [{"documentId": leaf.revision.document_id, "hash": b64(leaf.hash)} for leaf in leaves]
    if len(leaves) > SUMMARIES_A_BLOCK:  # a Kinesis record has at most 1 MiB
        summaries = []
    summary = {**block_header(block), "revisionSummaries": summaries}
    records = [_record(arn, "BLOCK_SUMMARY", summary, STRAND)]
    records += [_record(arn, "REVISION_DETAILS", _details(leaf), leaf.revision.document_id) for leaf in leaves]
    return records


def _details(leaf: Sealed) -> dict[str, Any]:
    revision = leaf.revision
    if revision.data is None:
        content: dict[str, object] = {"dataHash": b64(revision.data_hash or b"")}
    else:
        content = {"data": orjson.Fragment(revision.data)}
    head = {"blockAddress": address(leaf.strand, leaf.block), "hash": b64(leaf.hash)}
    return {
        "tableInfo": {"tableName": revision.table_name, "tableId": revision.table_name},
        "revision": {**head, "metadata": revision_metadata(leaf), **content},
        "sequence": leaf.sequence,
    }


def _record(arn: str, kind: str, payload: object, key: str) -> "PutRecordsRequestEntryTypeDef":
    data = canonical({"qldbStreamArn": arn, "recordType": kind, "payload": payload})
    return {"Data": data, "PartitionKey": key[:256]}
