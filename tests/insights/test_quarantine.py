"""Tests of the quarantine for stream records that can't be parsed, and of reports about missing ledger blocks."""

import json
from typing import Any

import pytest
import structlog

from app.insights.stream import consumer, envelopes, quarantine
from app.insights.stream.models import Gap, Record, Redriven
from tests.conftest import Run, refused
from tests.insights.conftest import Streamed, apply
from tests.shop import Shop

NEWER = b'{"recordType": "REVISION_DETAILS_2", "payload": {}}'
MIB = b'{"recordType": "' + b"x" * (1024 * 1024 - 20) + b'"}'


def orders(shop: Shop) -> int:
    with shop.db.read() as session:
        return int(session.value("SELECT coalesce(sum(orders), 0)::bigint FROM sales_windows"))


def test_trial_9_poison_is_put_aside_once_its_neighbours_count_and_the_shard_goes_on(
    shop: Shop, streamed: Streamed
) -> None:
    member, product = shop.member(), shop.product()
    for _ in range(3):
        shop.order(member, (product, 1))
    good = streamed()
    bad = [Record(f"bad-{place}", data) for place, data in enumerate((b"{", NEWER, MIB, b"null"))]
    mixed = [*good[:2], bad[0], *good[2:4], bad[1], bad[2], *good[4:], bad[3]]
    for _ in range(2):
        apply(shop.db, mixed)
    with shop.db.read() as session:
        aside = quarantine.aside(session, 100)
        checkpoint = session.value("SELECT position FROM stream_checkpoints")
        assert [quarantine.raw(session, "s-0", record.position) for record in aside] == [record.data for record in bad]
    assert [(record.position, record.tries, record.size) for record in aside] == [
        (record.position, 1, len(record.data)) for record in bad
    ]
    assert "REVISION_DETAILS_2" in aside[1].reason
    assert (orders(shop), checkpoint) == (3, "bad-3")


def test_a_record_that_the_code_has_learned_to_read_counts_when_it_is_redriven(
    shop: Shop, streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.order(shop.member(), (shop.product(), 1))
    records = streamed()
    newer = [
        Record(record.position, record.data.replace(b"REVISION_DETAILS", b"REVISION_DETAILS_2")) for record in records
    ]
    apply(shop.db, [*newer, Record("other", NEWER)])
    assert orders(shop) == 0
    assert quarantine.redrive(shop.db) == Redriven(0, len(summaries_out(newer)) + 1)
    understood = envelopes.read

    def learned(record: Record) -> Any:
        return understood(Record(record.position, record.data.replace(b"REVISION_DETAILS_2", b"REVISION_DETAILS")))

    monkeypatch.setattr(envelopes, "read", learned)
    assert quarantine.redrive(shop.db, "other") == Redriven(0, 1)
    assert quarantine.redrive(shop.db) == Redriven(len(summaries_out(newer)), 1)
    assert quarantine.redrive(shop.db) == Redriven(0, 1)
    assert orders(shop) == 1
    apply(shop.db, records)
    assert orders(shop) == 1
    with shop.db.read() as session:
        (left,) = quarantine.aside(session, 10)
    assert (left.position, left.tries) == ("other", 5)


def summaries_out(records: list[Record]) -> list[Record]:
    return [record for record in records if b"BLOCK_SUMMARY" not in record.data]


def test_blocks_that_never_came_are_told_of_once_and_listed_until_they_come(shop: Shop, streamed: Streamed) -> None:
    member, product = shop.member(), shop.product()
    for _ in range(6):
        shop.order(member, (product, 1))
        records = streamed()
    blocks = [json.loads(record.data)["payload"].get("blockAddress", {}).get("sequenceNo") for record in records]
    first, last = blocks.index(2), blocks.index(5)
    with structlog.testing.capture_logs() as logged:
        apply(shop.db, records[:first])
        apply(shop.db, records[last:])
        apply(shop.db, records[last:])
    assert [(line["event"], line["first"], line["last"]) for line in logged if line["log_level"] == "error"] == [
        ("blocks are missing on the stream", 2, 4)
    ]
    with shop.db.read() as session:
        assert consumer.gaps(session) == [Gap(2, 4)]
        assert consumer.status(session).gaps == 1
    apply(shop.db, records)
    with shop.db.read() as session:
        assert consumer.gaps(session) == []
    assert orders(shop) == 6


def test_the_command_shows_the_consumer_its_gaps_and_its_quarantine(
    shop: Shop,
    streamed: Streamed,
    run: Run,
) -> None:
    for _ in range(3):
        shop.order(shop.member(), (shop.product(), 1))
        records = streamed()
    missing = [record for record in records if b'"sequenceNo":1,' in record.data]
    assert run("stream", "status")[0] == 0
    apply(shop.db, [record for record in records if record not in missing])
    code, printed, _ = run("stream", "status")
    assert (code, "missing blocks 1 to 1" in printed) == (1, True)
    apply(shop.db, records)
    assert run("stream", "status")[0] == 0
    apply(shop.db, [Record("77", NEWER)])
    code, printed, _ = run("stream", "quarantine", "--csv")
    assert (code, printed.splitlines()[0]) == (0, "shard,position,reason,tries,size")
    assert "unknown" in printed.lower()
    assert run("stream", "quarantine", "--raw", "s-0:77") == (0, NEWER.decode(), "")
    assert run("stream", "redrive")[:2] == (1, "0 applied, 1 still can't be read\n")
    assert "no record 78 is in quarantine" in refused(run("stream", "redrive", "--position", "78"))
    assert "no record 78" in refused(run("stream", "quarantine", "--raw", "s-0:78"))
    assert "is no time" in refused(run("insights", "top-sellers", "--since", "yesterday"))
    assert "ends before" in refused(run("insights", "top-sellers", "--since", "2026-03-02", "--until", "2026-03-01"))
