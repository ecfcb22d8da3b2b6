"""Tests of publishing ledger blocks to Kinesis: all blocks, each document's revisions in order, despite refusals."""

import json
import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import Any

import boto3
import pytest
import structlog
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from app import ledger
from app.clock import FixedClock, SystemClock
from app.db import Database
from app.errors import BadInput
from app.faults import Passing
from app.insights.stream import consumer as insights
from app.insights.stream.models import Record
from app.ledger import cursors, sealer, service
from app.ledger.cursors import Stream
from app.ledger.stream import REFUSALS_A_TURN, Publisher, _from_first_refused, start
from app.loops import Pulse
from tests.conftest import Seal

STREAM = "journal"
Journal = Callable[..., None]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def kinesis(endpoint: str) -> Iterator[Any]:
    client = boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  moto takes any
    )
    client.create_stream(StreamName=STREAM, ShardCount=2)
    yield client
    client.delete_stream(StreamName=STREAM)
    client.close()


class Refusing:
    """A Kinesis client that refuses every third record the first time it is sent."""

    def __init__(self, kinesis: Any) -> None:
        self.kinesis = kinesis
        self.seen: set[bytes] = set()

    def describe_stream_summary(self, **arguments: Any) -> Any:
        return self.kinesis.describe_stream_summary(**arguments)

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> Any:  # noqa: N803  Kinesis' own names
        results, accepted = [], []
        for number, record in enumerate(Records):
            refuse = number % 3 == 2 and record["Data"] not in self.seen
            self.seen.add(record["Data"])
            if refuse:
                results.append({"ErrorCode": "ProvisionedThroughputExceededException"})
            else:
                accepted.append(record)
                results.append({"SequenceNumber": "1"})
        if accepted:
            self.kinesis.put_records(StreamName=StreamName, Records=accepted)
        return {"Records": results}


@pytest.fixture
def journal(db: Database, seal: Seal) -> Journal:
    """Return a function that appends documents and seals them in a new block."""

    def journaled(*documents: str) -> None:
        with db.write() as session:
            for document in documents:
                ledger.append(session, "notes", document, {"of": document})
        seal()

    return journaled


def received(kinesis: Any) -> list[dict[str, Any]]:
    messages = []
    for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        messages += [json.loads(record["Data"]) for record in kinesis.get_records(ShardIterator=iterator)["Records"]]
    return messages


def details(kinesis: Any) -> list[dict[str, Any]]:
    return [message["payload"] for message in received(kinesis) if message["recordType"] == "REVISION_DETAILS"]


def test_blocks_are_published_once_in_qldbs_envelopes(journal: Journal, sealing: Database, kinesis: Any) -> None:
    journal("a", "b")
    journal("a")
    publisher = Publisher(sealing, kinesis, STREAM)
    assert publisher.publish(Event()) == 6
    assert publisher.publish(Event()) == 0
    summaries = [message for message in received(kinesis) if message["recordType"] == "BLOCK_SUMMARY"]
    assert [summary["payload"]["blockAddress"]["sequenceNo"] for summary in summaries] == [0, 1]
    assert {
        (detail["revision"]["metadata"]["id"], detail["revision"]["metadata"]["version"]) for detail in details(kinesis)
    } == {
        ("a", 0),
        ("b", 0),
        ("a", 1),
    }
    assert {message["qldbStreamArn"] for message in received(kinesis)} == {publisher.arn}


def test_refused_records_go_again_and_a_document_is_never_overtaken_by_its_own_past(
    journal: Journal, sealing: Database, kinesis: Any
) -> None:
    journal(*("abc" * 10))
    publisher = Publisher(sealing, Refusing(kinesis), STREAM)  # type: ignore[arg-type]  # of Kinesis
    while publisher.publish(Event()):
        pass
    for document in "abc":
        versions = [
            detail["revision"]["metadata"]["version"]
            for detail in details(kinesis)
            if detail["revision"]["metadata"]["id"] == document
        ]
        last_of_each = list(dict.fromkeys(reversed(versions)))[::-1]
        assert last_of_each == sorted(set(versions)) == list(range(10))


class Throttled(Refusing):
    """A Kinesis client that accepts one record per call for the first `turns` calls, and all records afterwards."""

    turns = 12

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> Any:  # noqa: N803  boto3 names it so
        self.turns -= 1
        taken = Records if self.turns < 0 else Records[:1]
        self.kinesis.put_records(StreamName=StreamName, Records=taken)
        refused = [{"ErrorCode": "ProvisionedThroughputExceededException"}] * (len(Records) - len(taken))
        return {"Records": [*({"SequenceNumber": "1"} for _ in taken), *refused]}


def test_a_stream_that_is_throttled_leaves_its_turn_loses_nothing_and_is_told_of_once(
    journal: Journal, sealing: Database, kinesis: Any
) -> None:
    names = [f"d{number}" for number in range(30)]
    journal(*names)
    publisher = Publisher(sealing, Throttled(kinesis), STREAM)  # type: ignore[arg-type]  # of Kinesis
    pulse, sent = Pulse("publishing", math.inf, Event()), list[int]()
    with structlog.testing.capture_logs() as lines:
        while sum(sent) < 32:
            pulse.attempt(STREAM, lambda: sent.append(publisher.publish(pulse.stop, pulse)))
        assert pulse.outages.current == {STREAM: Passing.AWS_BUSY}
        pulse.attempt(STREAM, lambda: sent.append(publisher.publish(pulse.stop, pulse)))
    assert (sent[:2], sent[-1]) == ([REFUSALS_A_TURN] * 2, 0)
    assert [line["event"].split(":")[0] for line in lines] == ["waiting", "back"]
    assert {detail["revision"]["metadata"]["id"] for detail in details(kinesis)} == set(names)


def test_what_follows_a_refused_record_under_its_key_goes_again_with_it() -> None:
    records: list[Any] = [{"Data": bytes([n]), "PartitionKey": key} for n, key in enumerate("abab")]
    assert _from_first_refused(records, [False, True, False, False]) == [records[1], records[3]]
    assert _from_first_refused(records, [False] * 4) == []


def test_a_stream_made_anew_gets_what_its_consumer_has_not_applied(
    db: Database, journal: Journal, sealing: Database, kinesis: Any
) -> None:
    journal("a")
    journal("b")
    Publisher(sealing, kinesis, STREAM).publish(Event())
    applied = [
        Record(str(number), json.dumps(message).encode())
        for number, message in enumerate(received(kinesis))
        if message["payload"].get("sequence") == 0
    ]
    with db.write() as session:
        insights.apply(session, "journal-insights", "shard", applied)
        session.run("UPDATE journal_streams SET kinesis_made_at = kinesis_made_at - interval '1 hour'")
    assert Publisher(sealing, kinesis, STREAM).publish(Event()) == 2


def controls(kinesis: Any) -> list[str]:
    return [
        message["payload"]["controlRecordType"] for message in received(kinesis) if message["recordType"] == "CONTROL"
    ]


def test_a_stream_sends_what_was_sealed_from_its_start_until_before_its_end(
    db: Database, journal: Journal, sealing: Database, kinesis: Any
) -> None:
    for document in "abcd":
        journal(document)
    with db.read() as session:
        sealed_at = [service.block(session, sequence).sealed_at for sequence in range(4)]
    with db.write() as session:
        start(session, Stream("some", STREAM, sealed_at[1], sealed_at[3]))
        start(session, Stream("rest", STREAM, sealed_at[3], None))
    some, rest = (Publisher(sealing, kinesis, name) for name in ("some", "rest"))
    assert (some.publish(Event()), some.publish(Event())) == (6, 0)
    assert {detail["revision"]["metadata"]["id"] for detail in details(kinesis)} == {"b", "c"}
    assert sorted(controls(kinesis)) == ["COMPLETED", "CREATED"]
    assert rest.publish(Event()) == 3
    assert {detail["revision"]["metadata"]["id"] for detail in details(kinesis)} == {"b", "c", "d"}
    journal("e")
    assert (some.publish(Event()), rest.publish(Event())) == (0, 2)


def test_a_stream_completes_with_the_first_block_of_a_later_time_so_that_a_slow_sealer_loses_none(
    db: Database, sealing: Database, kinesis: Any
) -> None:
    """A block that a slow clock dates inside the stream's time range is sent, although it is sealed hours later."""
    # Trial 33
    now = SystemClock().now()
    with db.write() as session:
        start(session, Stream("some", STREAM, now - timedelta(hours=2), now - timedelta(hours=1)))
    publisher = Publisher(sealing, kinesis, "some")
    assert publisher.publish(Event()) == 0
    for document, hours in (("before", 3), ("in time", 1.5), ("late, by a slow clock", 2), ("beyond", 1)):
        with db.write() as session:
            ledger.append(session, "notes", document, {"of": document})
        with sealing.write() as session:
            sealer.seal(session, FixedClock(now - timedelta(hours=hours)))
        publisher.publish(Event())
    assert {detail["revision"]["metadata"]["id"] for detail in details(kinesis)} == {"in time", "late, by a slow clock"}
    assert sorted(controls(kinesis)) == ["COMPLETED", "CREATED"]
    assert publisher.publish(Event()) == 0


def test_a_stream_with_a_wrong_range_or_a_name_taken_is_not_started(db: Database) -> None:
    now = SystemClock().now()
    with pytest.raises(BadInput, match="ends after it starts"), db.write() as session:
        start(session, Stream("a", STREAM, now, now))
    for name, kinesis in (("", STREAM), ("a", "")):
        with pytest.raises(BadInput, match="have names"), db.write() as session:
            start(session, Stream(name, kinesis, None, None))
    with db.write() as session:
        start(session, Stream("a", STREAM, now, None))
    with pytest.raises(BadInput, match="already"), db.write() as session:
        start(session, Stream("a", STREAM, None, None))
    with db.read() as session:
        assert [stream.inclusive_start for stream in cursors.streams(session)] == [now]


def test_a_throttled_call_is_made_again_whole(
    journal: Journal, sealing: Database, kinesis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal("a", "b")
    put, calls = kinesis.put_records, iter(range(9))

    def throttled(**arguments: Any) -> Any:
        if next(calls) < 2:
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "PutRecords")
        return put(**arguments)

    monkeypatch.setattr(kinesis, "put_records", throttled)
    assert Publisher(sealing, kinesis, STREAM).publish(Event()) == 4
    assert {detail["revision"]["metadata"]["id"] for detail in details(kinesis)} == {"a", "b"}
