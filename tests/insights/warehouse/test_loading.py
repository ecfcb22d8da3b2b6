"""Tests of loading the warehouse: each block once, missing blocks, incomplete exports, erased members."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import orjson
import pytest

from app import locks
from app.db import Database
from app.erasure import service as erasure
from app.errors import BadInput, Conflict, Unavailable, WarehouseRefused
from app.ids import new_id
from app.insights.warehouse import dimensions, repository
from app.insights.warehouse.loading import Loaded, load_export
from app.insights.warehouse.postgresql import PostgresWarehouse
from app.insights.warehouse.runner import Sql
from app.ledger import service as ledger
from app.members import service as members
from app.members.models import Member
from app.orders import placing
from app.orders.models import LineDraft, OrderDraft
from tests.conftest import NOWHERE, SettableClock, Superuser
from tests.insights.warehouse.conftest import House
from tests.shop import Shop

FACTS = "SELECT order_id, line, units, paid_minor FROM warehouse.fact_sales ORDER BY 1, 2"


def test_what_was_sold_and_came_back_is_there_with_its_area_and_day(shop: Shop, house: House) -> None:
    member, product = shop.member(), shop.product(price_minor=250)
    with shop.db.write() as session:
        draft = OrderDraft((LineDraft(product, 4),), area="store-7")
        placed = placing.place(session, member, draft, shop.clock)
    shop.tomorrow()
    shop.give_back(placed, 1)
    loaded, published = house.bring_up()
    assert (loaded.sales, loaded.returns, loaded.exports) == (1, 1, 1)
    assert loaded.skipped["members"] == 1
    assert published
    assert published.as_of_block == loaded.block
    rows = house.ask("SELECT member_id, product_id, area, sold_units, units, revenue_minor FROM warehouse.net_sales")
    assert rows == [(str(member), str(product), "store-7", 4, 3, 750)]
    days = "SELECT r.business_date - s.business_date FROM warehouse.fact_returns r JOIN warehouse.fact_sales s ON true"
    assert house.ask(days) == [(1,)]
    assert not house.objects("warehouse/")


def test_loading_again_changes_nothing_and_the_next_export_follows(shop: Shop, house: House) -> None:
    member, product = shop.member(), shop.product()
    shop.order(member, (product, 1))
    export_id = house.export()
    house.load()
    facts = house.ask(FACTS)
    assert house.load()[0].exports == 0
    load_export(house.warehouse, house.source, export_id, None, Loaded())
    assert house.ask(FACTS) == facts
    assert house.ask("SELECT count(*) FROM warehouse.loads") == [(1,)]
    shop.order(member, (product, 2))
    loaded, _ = house.bring_up()
    assert (loaded.exports, loaded.sales) == (1, 1)
    assert len(house.ask(FACTS)) == 2


def test_one_loads_at_a_time(shop: Shop, house: House) -> None:
    with shop.db.write() as other:
        assert other.lock_if_free(locks.LOADING)
        with pytest.raises(Conflict, match="being loaded already"):
            house.load()


def test_an_export_that_is_half_written_is_refused_and_nothing_of_it_is_loaded(shop: Shop, house: House) -> None:
    archive = house.source.archive
    shop.order(shop.member(), (shop.product(), 1))
    export_id = house.export()
    [key] = [key for key in house.objects(f"exports/{export_id}/") if key.endswith(".json")]
    manifest = archive.key(export_id, f"{export_id}.completed.manifest")
    whole, completed = archive.read(key) or b"", archive.read(manifest) or b""

    def refused(says: str) -> None:
        with pytest.raises(BadInput, match=says):
            house.load()
        assert house.ask(FACTS) == []
        assert house.ask("SELECT * FROM warehouse.loads") == []
        assert not house.objects("warehouse/")

    archive.put(key, whole[:-20])
    refused("cut short")
    archive.put(key, whole[: whole.index(b"revisions")] + b"\n")
    refused("line 1, is not JSON")
    record = orjson.loads(whole)
    archive.put(key, orjson.dumps({**record, "revisions": record["revisions"][:-1]}) + b"\n")
    refused("block 0 has")
    archive.put(key, b'{"blockAddress": 7}\n')
    refused("none of ours")
    order = next(revision for revision in record["revisions"] if revision["metadata"]["table"] == "orders")
    data = json.loads(order["data"])
    order["data"] = json.dumps({**data, "lines": [{**data["lines"][0], "units": "many"}]})
    archive.put(key, orjson.dumps(record) + b"\n")
    refused(rf"block 0, orders {data['order_id']}: lines\.0\.units")
    archive.put(key, whole)
    archive.put(manifest, orjson.dumps({**orjson.loads(completed), "treeSize": 1}))
    refused("its manifest at")
    archive.s3.delete_object(Bucket=archive.bucket, Key=manifest)
    refused("no completed manifest")
    archive.put(manifest, completed)
    archive.s3.delete_object(Bucket=archive.bucket, Key=key)
    refused("is missing")
    archive.put(key, whole)
    assert house.load()[0].sales == 1


def test_a_gap_in_the_blocks_is_reported_by_number(shop: Shop, house: House, superuser: Superuser) -> None:
    member, product = shop.member(), shop.product()
    shop.order(member, (product, 1))
    house.bring_up()
    for _ in range(3):
        shop.order(member, (product, 1))
        lost = house.export()
    with shop.db.read() as session:
        exports = [
            str(row[0]) for row in session.rows("SELECT export_id FROM journal_block_exports ORDER BY first_block")
        ]
    superuser.execute("DELETE FROM journal_block_exports WHERE export_id IN (%s, %s)", (exports[1], exports[2]))
    with pytest.raises(BadInput, match="block 0 is followed by block 3: blocks 1 to 2 are missing"):
        house.load()
    assert lost == exports[3]
    assert len(house.ask(FACTS)) == 1


def test_blocks_of_another_chain_do_not_follow(shop: Shop, house: House) -> None:
    member, product = shop.member(), shop.product()
    shop.order(member, (product, 1))
    house.bring_up()
    shop.order(member, (product, 1))
    export_id = house.export()
    archive = house.source.archive
    [key] = [key for key in house.objects(f"exports/{export_id}/") if key.endswith(".json")]
    record = orjson.loads(archive.read(key) or b"")
    archive.put(key, orjson.dumps({**record, "previousBlockHash": "AAAA"}) + b"\n")
    with pytest.raises(BadInput, match="block 1 is not chained to block 0"):
        house.load()


def test_an_order_that_the_ledger_redacts_leaves_the_warehouse(shop: Shop, house: House, redacting: Database) -> None:
    member, product = shop.member(), shop.product()
    gone, stays = (shop.order(member, (product, 1)).order.order_id for _ in range(2))
    house.bring_up()
    with redacting.write() as session:
        ledger.redact(session, "orders", gone, "the member", "art. 17")
    house.bring_up()
    assert [row[0] for row in house.ask(FACTS)] == [str(stays)]


def profile_query(member_id: object) -> str:
    return f"SELECT consented, income_band, marital_status FROM warehouse.dim_member WHERE member_id = '{member_id}'"


def test_an_erased_member_leaves_nothing_but_a_number(shop: Shop, house: House, redacting: Database) -> None:
    """Covers a member who registered, and one from a bulk import, whose ledger document lists other members too."""
    now = shop.clock.now()
    by_api, imported = (Member(new_id(), "Ana", "50-74K", "married", now, now) for _ in range(2))
    with shop.db.write() as session:
        members.join(session, by_api)
        members.join_all(session, [imported])
    product = shop.product()
    for member in (by_api, imported):
        shop.give_back(shop.order(member.member_id, (product, 3)), 1)
    house.bring_up()
    assert (
        house.ask(profile_query(by_api.member_id))
        == house.ask(profile_query(imported.member_id))
        == [(True, "50-74K", "married")]
    )
    with shop.db.read() as session:
        assert repository.profile(session, by_api.member_id)
    for member in (by_api, imported):
        erasure.erase(shop.db, redacting, house.source.archive, member.member_id, "the member", "art. 17")
        with shop.db.read() as session:
            assert session.value("SELECT count(*) FROM insight_members WHERE member_id = %s", (member.member_id,)) == 0
    house.bring_up()
    for member in (by_api, imported):
        assert house.ask(profile_query(member.member_id)) == [(False, None, None)]
    assert house.ask("SELECT sum(returned_units), sum(units) FROM warehouse.net_sales") == [(2, 4)]
    assert house.model("members") == []
    assert not house.objects("warehouse/")


def test_without_consent_nothing_but_presence_is_told(shop: Shop, house: House) -> None:
    member = Member(new_id(), "Ana", "50-74K", "married", shop.clock.now(), shop.clock.now())
    with shop.db.write() as session:
        members.join(session, member)
    shop.order(member.member_id, (shop.product(), 1))
    house.bring_up()
    with shop.db.write() as session:
        members.consent(session, member.member_id, False, shop.clock)
    house.load()
    assert house.ask(profile_query(member.member_id)) == [(False, None, None)]
    with shop.db.read() as session:
        assert repository.profile(session, member.member_id) is None


def test_days_of_a_clock_change_hold_what_was_sold_in_their_own_hours(
    shop: Shop, house: House, clock: SettableClock
) -> None:
    """On 2026-03-08 New York has 23 hours, on 2026-11-01 it has 25; one order is placed each hour."""
    member, product, zone = shop.member(), shop.product(), ZoneInfo("America/New_York")
    for first in (datetime(2026, 3, 8, 4, 30, tzinfo=UTC), datetime(2026, 11, 1, 3, 30, tzinfo=UTC)):
        for hour in range(27):
            clock.instant = first + timedelta(hours=hour)
            shop.order(member, (product, 1))
    house.bring_up()
    sold = dict(
        house.ask(
            """SELECT d.business_date, count(*) FROM warehouse.fact_sales s
               JOIN warehouse.dim_date d ON s.placed_at >= d.starts_at AND s.placed_at < d.ends_at
               WHERE s.business_date = d.business_date GROUP BY d.business_date"""
        )
    )
    assert sum(sold.values()) == 54
    hours = dict(house.ask("SELECT cast(business_date AS varchar(10)), hours FROM warehouse.dim_date"))
    assert (hours["2026-03-08"], hours["2026-11-01"], hours["2026-11-02"]) == (23, 25, 24)
    assert {str(day): count for day, count in sold.items() if str(day) in {"2026-03-08", "2026-11-01"}} == {
        "2026-03-08": 23,
        "2026-11-01": 25,
    }
    days = list(dimensions.of_days(zone, clock.now().date()))
    assert all(day[7] == after[6] for day, after in pairwise(days))


def test_wrong_sql_lasts_and_a_warehouse_that_is_away_passes(house: House) -> None:
    for call in (
        lambda: house.warehouse.run([Sql("SELEC")]),
        lambda: house.warehouse.rows(Sql("SELECT 1 FROM nowhere")),
    ):
        with pytest.raises(WarehouseRefused):
            call()
    away = PostgresWarehouse(NOWHERE, house.warehouse.s3)
    with pytest.raises(Unavailable):
        away.rows(Sql("SELECT 1"))
