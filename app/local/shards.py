"""Read a Kinesis stream's shards; a shard that was split or merged is read to its end before its child shards.

So each partition key's records are read in order, as by AWS's event source mapping of a Lambda function.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import GetRecordsOutputTypeDef, RecordTypeDef, ShardTypeDef

RECORDS_A_BATCH = 500


@dataclass
class _Reading:
    """A shard's progress: the next iterator (None at the shard's end), and the sequence number last read."""

    iterator: str | None
    last: str | None = None


@dataclass
class Shards:
    """Reads all shards of a Kinesis stream from its oldest record on."""

    kinesis: "KinesisClient"
    stream: str
    _readings: dict[str, _Reading] = field(default_factory=dict)
    _made_at: datetime | None = None

    def batches(self, beat: Callable[[], None] = lambda: None) -> Iterator[tuple[str, list["RecordTypeDef"]]]:
        """Yield each shard's id and next records; they count as read once the caller requests the next batch.

        Calls `beat`, the caller's heartbeat, before each call to AWS and each batch.
        """
        beat()
        self._begin_again_if_made_anew()
        beat()
        shards = self._listed()
        for shard_id, shard in shards.items():
            if shard_id not in self._readings and self._parents_are_read(shard, shards):
                self._readings[shard_id] = _Reading(self._iterator(shard_id, None))
        for shard_id, reading in list(self._readings.items()):
            if reading.iterator is None:
                continue
            beat()
            answer = self._read(shard_id, reading)
            beat()
            if answer["Records"]:
                yield shard_id, answer["Records"]
                reading.last = answer["Records"][-1]["SequenceNumber"]
            reading.iterator = None if _at_end(answer, shards.get(shard_id)) else answer.get("NextShardIterator")

    def _begin_again_if_made_anew(self) -> None:
        """Forget all positions if the stream was re-created, because its sequence numbers start anew."""
        summary = self.kinesis.describe_stream_summary(StreamName=self.stream)["StreamDescriptionSummary"]
        if self._made_at != summary["StreamCreationTimestamp"]:
            self._readings.clear()
            self._made_at = summary["StreamCreationTimestamp"]

    def _listed(self) -> dict[str, "ShardTypeDef"]:
        pages = self.kinesis.get_paginator("list_shards").paginate(StreamName=self.stream)
        return {shard["ShardId"]: shard for page in pages for shard in page["Shards"]}

    def _parents_are_read(self, shard: "ShardTypeDef", shards: dict[str, "ShardTypeDef"]) -> bool:
        """Return true if the shard's parents are read to the end, or no longer listed because they expired."""
        parents = {shard.get("ParentShardId"), shard.get("AdjacentParentShardId")} & shards.keys()
        return all(parent in self._readings and self._readings[parent].iterator is None for parent in parents)

    def _read(self, shard_id: str, reading: _Reading) -> "GetRecordsOutputTypeDef":
        try:
            return self.kinesis.get_records(ShardIterator=reading.iterator or "", Limit=RECORDS_A_BATCH)
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "ExpiredIteratorException":
                raise
            again = self._iterator(shard_id, reading.last)
            return self.kinesis.get_records(ShardIterator=again, Limit=RECORDS_A_BATCH)

    def _iterator(self, shard_id: str, after: str | None) -> str:
        if after is None:
            start = self.kinesis.get_shard_iterator(
                StreamName=self.stream, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
            )
        else:
            start = self.kinesis.get_shard_iterator(
                StreamName=self.stream,
                ShardId=shard_id,
                ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                StartingSequenceNumber=after,
            )
        return start["ShardIterator"]


def _at_end(answer: "GetRecordsOutputTypeDef", shard: "ShardTypeDef | None") -> bool:
    """Return whether a closed shard is read to its end: Kinesis then returns no next iterator, moto no records."""
    if answer.get("NextShardIterator") is None:
        return True
    closed = shard is not None and shard["SequenceNumberRange"].get("EndingSequenceNumber") is not None
    return closed and not answer["Records"] and not answer.get("MillisBehindLatest")
