"""Trial 42: the database is restored to a moment while stream, digests, exports and warehouse are ahead of it."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient

from app import logins
from app.ledger import strands, verification, worker
from app.ledger.anchors import Restored
from app.ledger.models import STRAND
from app.loops import Pulse
from app.main import create_app
from app.signing import Role
from tests.conftest import Caller, Token
from tests.recovery.conftest import Serving, Shops
from tests.recovery.parts import Platform
from tests.recovery.server import Archived, Moment
from tests.shop import Shop

pytestmark = pytest.mark.slow
RECOVER = ("ledger", "recover", "--by", "Ana", "--reason", "a table was dropped")


@dataclass(frozen=True)
class Story:
    """What happened: members with points, orders by name, and each member's points in all at the end."""

    members: tuple[UUID, UUID]
    orders: dict[str, UUID]
    points: dict[UUID, int]
    redemption: UUID


def happened(platform: Platform, shops: Shops) -> Story:
    """Two members buy; what follows the first order is passed on in four blocks, and anchored after each."""
    with shops(platform) as shop:
        product = shop.product(price_minor=1_000, return_window_days=0)
        members = (shop.with_points(300), shop.with_points(200))
        orders = {"kept": bought(shop, members[0], product)}
        platform.pass_on()
        orders["moment"] = bought(shop, members[0], product)
        platform.pass_on()
        redeemed = shop.cash_back(members[1], 150)
        platform.pass_on()
        orders["later"] = bought(shop, members[1], product)
        platform.pass_on()
        orders["last"] = bought(shop, members[0], product)
        platform.pass_on()
        return Story(members, orders, {member: sum(shop.wallet(member)) for member in members}, redeemed.redemption_id)


def bought(shop: Shop, member: UUID, product: UUID) -> UUID:
    return shop.order(member, (product, 2)).order.order_id


def committed_at(platform: Platform, order_id: UUID) -> Any:
    with psycopg.connect(platform.url) as superuser:
        row = superuser.execute(
            "SELECT pg_xact_commit_timestamp(xmin) FROM orders WHERE order_id = %s", (order_id,)
        ).fetchone()
    assert row
    return row[0]


def refuses_to_seal(platform: Platform) -> str:
    """Run the worker's sealing loop, which must raise; return why."""
    with platform.opened(logins.SEALING) as db:
        loops = {loop.name: loop for loop in worker.loops(platform.settings(logins.SEALING), db)}
        with pytest.raises(Restored) as refused:
            loops["sealing"].work(Pulse("sealing", 60, Event()))
    return str(refused.value)


def agree(platform: Platform, shops: Shops) -> None:
    """Assert that the ledger verifies, and that books, sales counts and warehouse have the database's orders alone."""
    with shops(platform) as shop:
        assert shop.disagreements() == []
    with platform.opened(logins.SERVICES) as db, db.snapshot() as session:
        assert verification.verify(session).fault is None
        sold = session.rows("SELECT product_id, sum(units)::int FROM order_lines GROUP BY 1 ORDER BY 1")
        counted = session.rows("SELECT product_id, sum(units)::int FROM hourly_sales GROUP BY 1 ORDER BY 1")
        orders = {str(order_id) for (order_id,) in session.rows("SELECT order_id FROM orders")}
    assert counted == sold
    with psycopg.connect(platform.environment["REWARDS_WAREHOUSE_URL"]) as warehouse:
        loaded = warehouse.execute("SELECT order_id FROM warehouse.fact_sales").fetchall()
    assert sorted(order_id for (order_id,) in loaded) == sorted(orders)


@pytest.mark.parametrize(
    ("order", "inclusive", "lost", "blocks"),
    [
        ("moment", False, ("moment", "later", "last"), 4),
        ("moment", True, ("later", "last"), 4),
        ("later", True, ("last",), 2),
    ],
    ids=["before", "at", "after"],
)
def test_what_was_lost_is_named_the_ledger_goes_on_in_a_new_strand_and_all_parts_converge(
    machine: Archived, platform: Platform, shops: Shops, order: str, inclusive: bool, lost: tuple[str, ...], blocks: int
) -> None:
    # Trial 42
    story = happened(platform, shops)
    moment = Moment(committed_at(platform, story.orders[order]), inclusive)
    machine.finish_archiving()
    with machine.restored("to-a-moment", moment) as server:
        restored = platform.on(server.url("template"))
        assert "run `rewards ledger recover`" in refuses_to_seal(restored)
        assert restored.consume() > 0  # what the lost blocks say counts nowhere, before the recovery too
        code, missing, _ = restored.command("ledger", "missing")
        assert code == 1
        summary, strand = missing[0], missing[1]
        assert {line["id"] for line in missing if line.get("table") == "orders"} == {
            str(story.orders[name]) for name in lost
        }
        assert (summary["unnamed"], summary["fault"], strand["proven"], strand["strand"]) == (0, None, True, STRAND)
        assert strand["digest"]["block"] - summary["covered"]["block"] == blocks
        assert (summary["kept"] > 0) is inclusive  # committed before the moment, sealed after it
        with shops(restored) as shop:
            was_more = {str(member): points - sum(shop.wallet(member)) for member, points in story.points.items()}
        named = {line["member"]: line["points"] for line in missing if "earned" in line}
        assert named == {member: points for member, points in was_more.items() if points}
        spent = [line["id"] for line in missing if line.get("effect") == "spent"]
        assert spent == ([str(story.redemption)] if order == "moment" else [])

        code, recovered, printed = restored.command(*RECOVER)
        assert (code, recovered) == (0, missing), printed
        restored.pass_on()
        with shops(restored) as shop:
            after = bought(shop, story.members[0], shop.product(price_minor=1_000))
        restored.pass_on()
        agree(restored, shops)
        with restored.opened(logins.SERVICES) as db, db.read() as session:
            first, second = strands.strands(session)
            [recovery] = session.rows("SELECT data FROM journal_revisions WHERE table_name = 'recoveries'")
        assert printed == f"the ledger goes on in strand {second.strand}, with block {second.first_block}\n"
        assert (recovery[0]["strand"], recovery[0]["first_leaf"]) == (second.strand, summary["treeSize"])
        assert restored.command("ledger", "missing")[0] == 0
        assert str(after) in own_orders(restored, recovery[0])
        assert first.strand == STRAND


def own_orders(platform: Platform, recovery: dict[str, Any]) -> set[str]:
    """Return the orders as a consumer elsewhere knows them, which keeps what it read and follows recoveries.

    It takes back what the earlier strand said from the recovery's first revision on.
    """
    orders: dict[tuple[str, int], str] = {}
    for revision in platform.revisions():
        address = revision["revision"]["blockAddress"]
        if revision["tableInfo"]["tableName"] == "orders":
            orders[address["strandId"], revision["sequence"]] = revision["revision"]["metadata"]["id"]
    kept = {
        document
        for (strand, sequence), document in orders.items()
        if strand == recovery["strand"] or sequence < recovery["first_leaf"]
    }
    with psycopg.connect(platform.url) as superuser:
        assert kept == {str(row[0]) for row in superuser.execute("SELECT order_id FROM orders").fetchall()}
    return kept


def test_nothing_is_ahead_of_a_restore_to_the_end_and_the_strand_stays(
    machine: Archived, platform: Platform, shops: Shops
) -> None:
    happened(platform, shops)
    machine.finish_archiving()
    with machine.restored("whole", None) as server:
        restored = platform.on(server.url("template"))
        code, missing, _ = restored.command("ledger", "missing")
        assert (code, len(missing), missing[0]["missing"]) == (0, 1, 0)
        assert missing[0]["covered"]["treeSize"] == missing[0]["treeSize"]
        code, _, printed = restored.command(*RECOVER)
        assert (code, printed) == (0, f"the ledger goes on in strand {STRAND}, with block {missing[0]['blocks']}\n")
        with shops(restored) as shop:
            bought(shop, shop.member(), shop.product())
        restored.pass_on()
        agree(restored, shops)


def test_what_was_applied_only_after_the_moment_is_sent_again(
    machine: Archived, platform: Platform, shops: Shops
) -> None:
    """AWS goes on reading the stream where it was; the restored counts lack what was read after the moment."""
    with shops(platform) as shop:
        bought(shop, shop.member(), shop.product())
    platform.seal()
    platform.publish()
    with shops(platform) as shop:
        mark = bought(shop, shop.member(), shop.product())
    platform.pass_on()
    moment = Moment(committed_at(platform, mark))
    machine.finish_archiving()
    with machine.restored("unapplied", moment) as server:
        restored = platform.on(server.url("template"))
        read = {record.position for records in restored.on_the_stream().values() for record in records}
        assert restored.command(*RECOVER)[0] == 0
        restored.seal()
        restored.publish()
        restored.consume(but=read)
        restored.function("journal-export")
        restored.function("warehouse-load")
        agree(restored, shops)


def test_a_key_of_the_lost_tail_is_worked_on_again_once_and_a_kept_one_is_replayed(
    machine: Archived, platform: Platform, shops: Shops, token: Token, serving: Serving
) -> None:
    with shops(platform) as shop:
        member, product = shop.member(), shop.product(price_minor=1_000)
    order = {"lines": [{"product_id": str(product), "units": 1}]}

    def placed(on: Platform, key: str) -> Any:
        with TestClient(create_app(serving(on))) as client:
            answer = Caller(client, token(Role.MEMBER, member)).post("/orders", order, key)
        assert answer.status_code == 201, answer.text
        return answer

    kept = placed(platform, "kept-key-1")
    moment = Moment(committed_at(platform, UUID(kept.json()["order_id"])))
    lost = placed(platform, "lost-key-1")
    platform.pass_on()
    machine.finish_archiving()
    with machine.restored("keys", moment) as server:
        restored = platform.on(server.url("template"))
        _, report, _ = restored.command(*RECOVER)
        assert [line["id"] for line in report if line.get("table") == "orders"] == [lost.json()["order_id"]]
        again = placed(restored, "kept-key-1")
        assert (again.json(), again.headers["Idempotent-Replayed"]) == (kept.json(), "true")
        anew = placed(restored, "lost-key-1")
        assert "Idempotent-Replayed" not in anew.headers
        assert anew.json()["order_id"] != lost.json()["order_id"]
        assert placed(restored, "lost-key-1").json() == anew.json()
        restored.pass_on()
        agree(restored, shops)


def test_an_erasure_of_the_lost_tail_is_named_so_that_it_is_done_again(
    machine: Archived, platform: Platform, shops: Shops
) -> None:
    with shops(platform) as shop:
        member = shop.member()
        product = shop.product(return_window_days=14)
        placed = shop.order(member, (product, 2), area="at home")
        shop.give_back(placed, 1)
        moment = Moment(committed_at(platform, bought(shop, shop.member(), product)))
    platform.pass_on()
    erased = platform.command("member", "erase", str(member), "--by", "Ana", "--reason", "asked")
    assert erased[0] == 0, erased[2]
    platform.pass_on()
    machine.finish_archiving()
    with machine.restored("erased", moment) as server:
        restored = platform.on(server.url("template"))
        _, report, _ = restored.command(*RECOVER)
        again = {line["eraseAgain"] for line in report if "eraseAgain" in line}
        assert f"orders/{placed.order.order_id}" in again


def test_a_lost_export_and_a_stream_that_ended_leave_numbers_without_names(
    machine: Archived, platform: Platform, shops: Shops, cloud: Callable[[str], Any]
) -> None:
    story = happened(platform, shops)
    moment = Moment(committed_at(platform, story.orders["later"]))
    machine.finish_archiving()
    bucket, stream = platform.environment["REWARDS_ARCHIVE_BUCKET"], platform.environment["REWARDS_STREAM_NAME"]
    kept = cloud("s3").list_objects_v2(Bucket=bucket, Prefix="exports/")["Contents"]
    newest = max((entry for entry in kept if entry["Key"].endswith(".json")), key=lambda entry: entry["LastModified"])
    cloud("s3").delete_object(Bucket=bucket, Key=newest["Key"])
    cloud("kinesis").delete_stream(StreamName=stream)
    cloud("kinesis").create_stream(StreamName=stream, ShardCount=1)
    with machine.restored("unnamed", moment) as server:
        restored = platform.on(server.url("template"))
        code, report, printed = restored.command(*RECOVER)
        assert code == 0, printed
        [strand] = [line for line in report if "proven" in line]
        runs = [(run["first"], run["last"]) for run in strand["unnamed"]]
        assert runs[-1][1] == strand["digest"]["treeSize"] - 1
        assert report[0]["unnamed"] == sum(last - first + 1 for first, last in runs) > 0
        assert strand["proven"] is False


def test_recovering_again_names_the_strand_that_was_lost_meanwhile(
    machine: Archived, platform: Platform, shops: Shops
) -> None:
    story = happened(platform, shops)
    moment = Moment(committed_at(platform, story.orders["moment"]))
    machine.finish_archiving()
    with machine.restored("once", moment) as server:
        restored = platform.on(server.url("template"))
        assert restored.command(*RECOVER)[0] == 0
        with shops(restored) as shop:
            lost_again = bought(shop, story.members[0], shop.product())
        restored.pass_on()
    with machine.restored("twice", moment) as server:
        restored = platform.on(server.url("template"))
        assert "is anchored" in refuses_to_seal(restored)
        code, report, printed = restored.command(*RECOVER)
        assert code == 0, printed
        assert len({line["strand"] for line in report if "proven" in line}) == 2
        assert str(lost_again) in {line["id"] for line in report if line.get("table") == "orders"}
        restored.pass_on()
        agree(restored, shops)


def test_a_ledger_that_does_not_verify_is_not_gone_on_with(machine: Archived, platform: Platform, shops: Shops) -> None:
    story = happened(platform, shops)
    with psycopg.connect(platform.url, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(
            "UPDATE journal_revisions SET data = '{}' WHERE document_id = %s", (str(story.orders["kept"]),)
        )
    code, lines, printed = platform.command(*RECOVER)
    assert (code, lines) == (2, [])
    assert "the ledger itself does not verify" in printed
    assert printed.count("\n") == 1


def test_while_somebody_seals_nothing_is_recovered(platform: Platform, shops: Shops) -> None:
    happened(platform, shops)
    with psycopg.connect(platform.url, autocommit=True) as sealer:
        sealer.execute("SELECT pg_advisory_lock(7231002)")
        code, _, printed = platform.command(*RECOVER)
    assert (code, printed) == (
        2,
        "rewards: a sealer is still running: stop the sealers and the functions, then recover\n",
    )


def test_a_recovery_says_who_and_why(platform: Platform) -> None:
    code, _, printed = platform.command("ledger", "recover", "--by", " ", "--reason", "x")
    assert (code, printed) == (2, "rewards: a recovery needs to say who does it and why\n")
