"""Add batches of records from the ledger's Kinesis stream to the sales statistics; Kinesis calls the handler."""

import base64
from collections import defaultdict
from typing import Any

from app.functions import database
from app.insights.stream import consumer
from app.insights.stream.consumer import CONSUMER
from app.insights.stream.models import Record


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:  # noqa: ARG001
    """Apply a batch, and report no failures: malformed records are quarantined. If this raises, Kinesis retries."""
    shards: dict[str, list[Record]] = defaultdict(list)
    for record in event["Records"]:
        shard, position = record["eventID"].split(":", 1)
        shards[shard].append(Record(position, base64.b64decode(record["kinesis"]["data"])))
    for shard, records in shards.items():
        with database().write() as session:
            consumer.apply(session, CONSUMER, shard, records)
    return {"batchItemFailures": []}
