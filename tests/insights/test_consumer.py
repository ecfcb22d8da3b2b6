"""Tests of the stream's consumer: it counts each revision once, and quarantines records that it can't parse."""

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.functions import journal_insights
from app.ids import new_id
from app.insights.stream import consumer as consuming
from app.insights.stream import windows_repository as seen
from app.insights.stream.models import Applied, By, Record, Span
from app.ledger.models import STRAND
from app.processes import FUNCTIONS
from app.signing import Role
from tests.insights.conftest import Streamed
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def applied(shop: Shop, records: Sequence[Record], consumer: str = "a consumer", shard: str = "s-0") -> Applied:
    with shop.db.write() as session:
        return consuming.apply(session, consumer, shard, records)


def sale(sequence: int, product: UUID, *, units: Any = 1, paid: Any = 100, at: Any = NOON, **fields: Any) -> Record:
    order = {"placed_at": at, "lines": [{"product_id": product, "units": units, "paid_minor": paid}], **fields}
    revision = {"blockAddress": {"strandId": STRAND, "sequenceNo": 0}, "data": order}
    payload = {"tableInfo": {"tableName": "orders"}, "revision": revision, "sequence": sequence}
    return Record(f"{sequence:010}", orjson.dumps({"recordType": "REVISION_DETAILS", "payload": payload}))


def windows(shop: Shop) -> dict[tuple[datetime, UUID], tuple[int, int, int]]:
    with shop.db.read() as session:
        rows = session.rows("SELECT hour, product_id, units, paid_minor, lines FROM hourly_sales")
    return {(hour.astimezone(UTC), product): (units, paid, orders) for hour, product, units, paid, orders in rows}


def quarantined(shop: Shop) -> list[tuple[str, str]]:
    with shop.db.read() as session:
        return session.rows("SELECT position, reason FROM stream_quarantine ORDER BY position")


def checkpoint(shop: Shop, shard: str = "s-0") -> str | None:
    with shop.db.read() as session:
        position: str | None = session.value("SELECT position FROM stream_checkpoints WHERE shard = %s", (shard,))
    return position


def test_the_windows_of_the_journal_sum_to_the_orders(shop: Shop, streamed: Streamed) -> None:
    members, products = shop.members(2), [shop.product(price_minor=price) for price in (100, 250, 999)]
    expected: dict[tuple[datetime, UUID], tuple[int, int, int]] = {}
    for number in range(12):
        hour = shop.clock.now().replace(minute=0)
        some = products[number % 3 :]
        placed = shop.order(members[number % 2], *[(product, number % 4 + 1) for product in some])
        for line in placed.lines:
            units, paid, orders = expected.get((hour, line.product_id), (0, 0, 0))
            expected[hour, line.product_id] = (units + line.units, paid + line.paid_minor, orders + 1)
        shop.clock.advance(minutes=25)
    outcome = applied(shop, streamed())
    assert windows(shop) == expected
    assert len({hour for hour, _ in expected}) == 5
    assert (outcome.repeated, outcome.quarantined) == (0, 0)


def test_a_batch_that_comes_again_whole_or_overlapping_counts_once(shop: Shop) -> None:
    product = new_id()
    records = [sale(number, product) for number in range(6)]
    assert applied(shop, records[:4]) == Applied(4, 0, 0)
    assert applied(shop, records[:4]) == Applied(0, 4, 0)
    assert applied(shop, records[2:]) == Applied(2, 2, 0)
    assert applied(shop, [records[5], sale(6, product), sale(6, product)]) == Applied(1, 2, 0)
    assert windows(shop) == {(NOON, product): (7, 700, 7)}
    assert checkpoint(shop) == "0000000006"


def test_consumers_and_shards_keep_their_own_places(shop: Shop) -> None:
    product = new_id()
    applied(shop, [sale(1, product)], "one", "s-1")
    assert applied(shop, [sale(1, product)], "another", "s-1").applied == 1
    assert applied(shop, [sale(1, product)], "one", "s-2").repeated == 1
    assert checkpoint(shop, "s-2") == "0000000001"
    assert applied(shop, [], "one", "s-3") == Applied(0, 0, 0)
    assert checkpoint(shop, "s-3") is None


def test_orders_count_in_the_hour_they_were_placed_wherever_the_clock_was_read(shop: Shop) -> None:
    product = new_id()
    times = ("2026-03-02T12:59:59.999Z", "2026-03-02T08:30:00-04:00", "2026-03-02T18:00:00+05:30", "2026-03-02T13:00Z")
    applied(shop, [sale(number, product, at=at) for number, at in enumerate(times)])
    assert windows(shop) == {(NOON, product): (3, 300, 3), (NOON + timedelta(hours=1), product): (1, 100, 1)}


def test_what_tells_of_blocks_or_other_documents_changes_no_window(shop: Shop) -> None:
    others: list[dict[str, Any]] = [
        {"recordType": "CONTROL", "payload": {"controlRecordType": "CREATED"}},
        {"recordType": "BLOCK_SUMMARY", "payload": {"blockAddress": {"strandId": STRAND, "sequenceNo": 0}}},
    ]
    records = [Record(str(place), orjson.dumps(other)) for place, other in enumerate(others)]
    records.append(Record("2", sale(1, new_id()).data.replace(b'"tableName":"orders"', b'"tableName":"claims"')))
    assert applied(shop, records) == Applied(1, 0, 0)
    assert (windows(shop), quarantined(shop), checkpoint(shop)) == ({}, [], "2")


POISON: list[tuple[str, bytes]] = [
    ("bad JSON", b'{"recordType": '),
    ("no bytes", b""),
    ("not text", b"\xff\xfe\x00"),
    ("null", b"null"),
    ("a number", b"7"),
    ("a list", b"[]"),
    ("unknown type", b'{"recordType": "SOMETHING_NEW", "payload": {}}'),
    ("no block", b'{"recordType": "BLOCK_SUMMARY", "payload": {}}'),
    ("no payload", b'{"recordType": "REVISION_DETAILS"}'),
    ("null payload", b'{"recordType": "REVISION_DETAILS", "payload": null}'),
    ("no address", sale(49, new_id()).data.replace(b"blockAddress", b"block")),
    ("erased order", sale(50, new_id()).data.replace(b'"data":{', b'"data":null,"was":{')),
    ("no lines", sale(51, new_id(), lines=None).data),
    ("no time", sale(52, new_id(), at=None).data),
    ("sequence", sale(53, new_id()).data.replace(b'"sequence":53', b'"sequence":"many"')),
    ("no return", sale(54, new_id()).data.replace(b'"tableName":"orders"', b'"tableName":"returns"')),
    ("one MiB", b'{"recordType": "' + b"x" * (1024 * 1024 - 20) + b'"}'),
]


def test_poison_is_put_aside_once_and_its_neighbours_are_applied(shop: Shop) -> None:
    product = new_id()
    bad = [Record(f"{100 + place:010}", data) for place, (_, data) in enumerate(POISON)]
    records = [sale(1, product), *bad[:7], sale(2, product), *bad[7:], sale(3, product)]
    assert applied(shop, records) == Applied(3, 0, len(POISON))
    assert applied(shop, records) == Applied(0, 3, len(POISON))
    assert windows(shop) == {(NOON, product): (3, 300, 3)}
    aside = quarantined(shop)
    assert [position for position, _ in aside] == [record.position for record in bad]
    assert all(reason for _, reason in aside)
    with shop.db.read() as session:
        kept = session.rows("SELECT record FROM stream_quarantine ORDER BY position")
    assert [record for (record,) in kept] == [data for _, data in POISON]
    assert checkpoint(shop) == "0000000003"


SALE_LIKE: dict[str, bytes] = {
    "units text": sale(9, new_id(), units="many").data,
    "units null": sale(9, new_id(), units=None).data,
    "paid too large": sale(9, new_id(), paid=2**63).data,
    "id a number": sale(9, 7).data,  # type: ignore[arg-type]
    "before the calendar": sale(9, new_id(), at="0001-01-01T00:00:00+14:00").data,
    "sequence too large": sale(2**63, new_id()).data,
    "type with NUL": b'{"recordType": "A\\u0000B", "payload": {}}',
}


def test_poison_that_reads_like_a_sale_is_put_aside_too(shop: Shop) -> None:
    for place, (name, data) in enumerate(SALE_LIKE.items()):
        product, first = new_id(), 10 + 2 * place
        records = [sale(first, product), Record(f"{1_000 + place}", data), sale(first + 1, product)]
        assert applied(shop, records) == Applied(2, 0, 1), name
        assert windows(shop)[NOON, product] == (2, 200, 2), name
    assert len(windows(shop)) == len(quarantined(shop)) == len(SALE_LIKE)


def test_the_function_takes_kinesis_events_of_several_shards(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_insights, "database", lambda: shop.under(FUNCTIONS["journal-insights"].login))
    product = new_id()
    sent = [("shard-1", sale(1, product)), ("shard-2", sale(2, product)), ("shard-1", Record("3", b"null"))]
    event = {
        "Records": [
            {
                "eventID": f"{shard}:{record.position}",
                "eventSource": "aws:kinesis",
                "kinesis": {"partitionKey": "a", "data": base64.b64encode(record.data).decode()},
            }
            for shard, record in sent
        ]
    }
    for _ in range(2):
        assert journal_insights.handler(event, None) == {"batchItemFailures": []}
    assert windows(shop) == {(NOON, product): (2, 200, 2)}
    assert (checkpoint(shop, "shard-1"), checkpoint(shop, "shard-2")) == ("3", "0000000002")
    assert len(quarantined(shop)) == 1


def test_analysts_see_what_sells_most_by_product_brand_and_vendor(
    shop: Shop, streamed: Streamed, caller: Calls
) -> None:
    vendor, other = shop.vendor(), shop.vendor()
    tea = shop.product(vendor, name="Tea", brand="Oak", price_minor=100)
    cup = shop.product(vendor, name="Cup", brand="Clay", price_minor=1_000)
    pot = shop.product(other, name="Pot", brand="Clay", price_minor=500)
    member = shop.member()
    shop.order(member, (tea, 5))
    shop.clock.advance(hours=1)
    shop.order(member, (cup, 3))
    shop.order(member, (pot, 4))
    shop.clock.advance(hours=1)
    applied(shop, streamed())
    analyst = caller(Role.ANALYST, new_id())

    def top(**query: Any) -> list[tuple[str, str, int, int, int]]:
        answer = analyst.get("/insights/top-sellers", **query)
        assert answer.status_code == 200, answer.text
        return [tuple(seller.values()) for seller in answer.json()["sellers"]]

    assert top() == [
        (str(tea), "Tea", 5, 500, 1),
        (str(pot), "Pot", 4, 2_000, 1),
        (str(cup), "Cup", 3, 3_000, 1),
    ]
    assert top(by=By.BRAND) == [("Clay", "Clay", 7, 5_000, 2), ("Oak", "Oak", 5, 500, 1)]
    assert top(by=By.VENDOR, limit=1) == [(str(vendor), "Vendor 1", 8, 3_500, 2)]
    assert [name for _, name, *_ in top(since="2026-03-02T16:00:00Z")] == ["Pot", "Cup"]
    assert [name for _, name, *_ in top(until="2026-03-02T16:00:00Z")] == ["Tea"]
    for bad in (
        {"since": "2026-03-02T16:00:00Z", "until": "2026-03-02T16:00:00Z"},
        {"since": "2026-03-02T16:00:00"},
        {"by": "colour"},
        {"limit": 0},
    ):
        assert analyst.get("/insights/top-sellers", **bad).status_code == 422, bad


def test_a_brand_counts_the_lines_of_all_its_products(shop: Shop, streamed: Streamed) -> None:
    shop.order(shop.member(), (shop.product(), 1), (shop.product(), 1))
    applied(shop, streamed())
    with shop.db.read() as session:
        around = Span(shop.clock.now() - timedelta(hours=1), shop.clock.now() + timedelta(hours=1))
        sellers = seen.top_sellers(session, around, By.BRAND, None, 10)
    assert [(seller.units, seller.lines) for seller in sellers] == [(2, 2)]
