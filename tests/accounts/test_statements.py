"""Tests of a member's yearly statement: months add up, entries explain them, and the last balance is the wallet's."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from app.accounts import statements
from app.accounts.statements_models import Year
from app.db import Database
from app.errors import BadInput
from app.ids import new_id
from app.local import journey, replay
from app.local.journey import Basket
from app.night import reconcile
from app.offers import outlook
from app.offers.models import Item, Subscription
from app.program import periods
from app.program.models import ReturnPolicy
from app.program.periods import InForce
from app.signing import Role
from app.wallet.movements import EntryKind
from tests.conftest import Run, refused, table_rows
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
COLUMN = {
    EntryKind.EARNED: ("earned", 1),
    EntryKind.CORRECTED: ("corrected", 1),
    EntryKind.CONFIRMED: ("confirmed", 1),
    EntryKind.RETURNED: ("returned", 1),
    EntryKind.SPENT: ("spent", 1),
    EntryKind.CANCELLED: ("spent", -1),
    EntryKind.EXPIRED: ("expired", 1),
}


def adds_up(year: Year) -> None:
    """Assert that each month opens with the balance before it, and that each column is the sum of its entries."""
    held = year.opening
    for month in year.months:
        assert month.opening == held
        held += month.earned + month.corrected - month.returned - month.spent - month.expired
        assert month.closing == held == month.pending + month.available - month.owed
        sums = Counter[str]()
        for entry in month.entries:
            column, sign = COLUMN[entry.kind]
            sums[column] += sign * entry.points
        columns = {column for column, _ in COLUMN.values()}
        assert {column: getattr(month, column) for column in columns} == {column: sums[column] for column in columns}
    assert year.closing == held


def statement(shop: Shop, member: UUID, year: int = 2026) -> Year:
    with shop.db.snapshot() as session:
        return statements.of_member(session, member, year, shop.clock)


def test_a_statement_says_what_each_point_was_for(shop: Shop, caller: Calls) -> None:
    shop.program(expire_after_days=40)
    member, mug = shop.member(), shop.offer(Item(points=30), on_hand=1)
    placed = shop.order(member, (shop.product(name="Green tea", price_minor=800, return_window_days=2), 3))
    shop.give_back(placed, 1)
    shop.tomorrow(2)
    shop.night()
    api = caller(Role.MEMBER, member)
    shop.clock.instant = datetime(2026, 4, 1, 3, 59, tzinfo=UTC)  # in New York still March
    redeemed = api.post("/redemptions", {"kind": "item", "offer_id": str(mug)}).json()["redemption_id"]
    shop.clock.instant = datetime(2026, 4, 1, 4, tzinfo=UTC)
    api.post(f"/redemptions/{redeemed}/cancellation", {})
    paid = shop.order(member, (shop.product(name="Mug", price_minor=500), 1), pay_points=20)
    shop.clock.instant = datetime(2026, 5, 1, 12, tzinfo=UTC)
    shop.night()
    body = api.get("/wallet/statements/2026").json()
    sums = ("opening", "earned", "confirmed", "returned", "spent", "expired", "closing", "pending", "available", "owed")
    assert [(month["month"], *(month[name] for name in sums)) for month in body["months"]] == [
        ("2026-03", 0, 120, 80, 40, 30, 0, 50, 0, 50, 0),
        ("2026-04", 50, 24, 24, 0, -10, 60, 24, 0, 24, 0),  # though the night that wrote it came in May
    ]
    assert (body["opening"], body["closing"], body["member_id"]) == (0, 24, str(member))
    assert body["months"][0]["entries"][-1]["at"].startswith("2026-03-31T23:59")  # as clocks in New York said
    rule = "Five points for every 1.00 paid"
    lines = [[(line["kind"], line["points"], line["says"]) for line in month["entries"]] for month in body["months"]]
    assert lines == [
        [
            ("earned", 120, f"3 x Green tea, {rule}"),
            ("returned", 40, "1 x Green tea came back: A reason"),
            ("confirmed", 80, "can be spent from then on"),
            ("spent", 30, "An offer"),
        ],
        [
            ("cancelled", 30, "a redemption was taken back"),
            ("earned", 24, f"1 x Mug, {rule}"),
            ("spent", 20, "paid a part of an order"),
            ("expired", 60, "were past their day"),
            ("confirmed", 24, "can be spent from then on"),
        ],
    ]
    references = [line["reference"] for month in body["months"] for line in month["entries"]]
    order, other = str(placed.order.order_id), str(paid.order.order_id)
    assert references == [order, order, None, redeemed, redeemed, other, other, None, None]
    adds_up(statement(shop, member))
    assert caller(Role.MEMBER, shop.member()).get("/wallet/statements/2026").json()["months"] == []


def test_a_year_opens_with_what_the_one_before_closed_with(shop: Shop) -> None:
    member = shop.with_points(100)
    shop.clock.instant = datetime(2027, 1, 1, 4, 59, 59, tzinfo=UTC)
    shop.cash_back(member, 30)
    with pytest.raises(BadInput) as refused:
        statement(shop, member, 2027)
    assert [error.field for error in refused.value.errors] == ["year"]
    shop.clock.advance(seconds=1)
    shop.cash_back(member, 20)
    before, after, none = (statement(shop, member, year) for year in (2026, 2027, 2025))
    assert [(year.opening, year.closing) for year in (before, after, none)] == [(0, 70), (70, 50), (0, 0)]
    months = [[month.month for month in year.months] for year in (before, after, none)]
    assert months == [["2026-03", "2026-12"], ["2027-01"], []]
    assert [(entry.kind, entry.points, entry.says) for entry in before.months[1].entries] == [
        (EntryKind.SPENT, 30, "paid out as cash back")
    ]
    adds_up(before)
    adds_up(after)


@pytest.mark.parametrize("policy", list(ReturnPolicy))
def test_any_life_adds_up_to_the_wallet(shop: Shop, policy: ReturnPolicy) -> None:
    dice = Random(policy)
    shop.program(expire_after_days=20, return_policy=policy)
    member, club = shop.member(), shop.offer(Subscription(points=5, grace_days=1))
    products = [shop.product(price_minor=price, return_window_days=days) for price, days in ((333, 0), (900, 3))]
    bought = []
    seen = set[EntryKind]()
    for _ in range(60):
        available = shop.wallet(member)[1]
        match dice.choice(["buy", "buy", "back", "night", "spend", "cancel", "club", "correct"]):
            case "buy":
                pays = min(available, 6)
                bought.append(shop.order(member, (dice.choice(products), dice.randint(1, 3)), pay_points=pays))
            case "back" if bought:
                placed = bought.pop(dice.randrange(len(bought)))
                shop.give_back(placed, 1, vendor_id=placed.lines[0].vendor_id)
            case "spend" if available:
                shop.cash_back(member, dice.randint(1, available))
            case "cancel" if available:
                shop.cancel_redemption(shop.cash_back(member, dice.randint(1, available)))
            case "club" if available >= 5 and not shop.subscriptions(member):
                shop.subscribe(member, club)
            case "correct":
                taking = -dice.randint(0, available)
                corrected = shop.correct(member, taking or 9)
                if dice.random() < 0.5:
                    shop.reverse(corrected)
            case _:
                shop.tomorrow(dice.randint(1, 9))
                shop.night()
    for year in (2026, shop.clock.now().year):
        summary = statement(shop, member, year)
        adds_up(summary)
        seen |= {entry.kind for month in summary.months for entry in month.entries}
    assert (summary.months[-1].pending, summary.months[-1].available) == shop.wallet(member)
    assert seen == set(EntryKind)
    assert shop.disagreements() == []


@pytest.mark.slow
def test_on_the_shopping_data_every_lot_is_explained_and_every_statement_adds_up(db: Database) -> None:
    whole = journey.read()
    events = list(whole.events(0, 1_200))
    needed = {line.product for event in events if isinstance(event, Basket) for line in event.lines}
    goods = [product for product in whole.goods if product.number in needed]
    replay.load(db, 53, Console(quiet=True), replace(whole, goods=goods, _events=whole._events.iloc[: len(events)]))
    assert reconcile.run(db, replay.BEGIN).difference is None
    returned = earned = 0
    with db.snapshot() as session:
        holders = [row[0] for row in session.rows("SELECT member_id FROM wallets ORDER BY member_id")]
        for member in holders:
            summary = statements.of_member(session, member, 2017, replay.BEGIN)
            adds_up(summary)
            held = outlook.wallet(session, member, replay.BEGIN)
            assert summary.closing == held.pending + held.available
            lots = outlook.lots(session, member, replay.BEGIN, None, 10_000)
            for lot in lots:
                explained(lot.explanation, lot.points)
            earned += len(lots)
            returned += sum(month.returned for month in summary.months)
        unexplained = session.value(
            """SELECT count(*) FROM order_lines l WHERE paid_minor >= 30 AND NOT EXISTS
               (SELECT FROM lots WHERE (lots.order_id, lots.line) = (l.order_id, l.line))"""
        )
    assert (unexplained, len(holders) > 300, earned > 5_000, returned > 0) == (0, True, True, True)


def explained(explanation: dict[str, Any], points: int) -> None:
    """Assert that a points lot's stored explanation is enough to compute its points."""
    assert explanation["gives"] == "5 for every 1.00 paid"
    exact = explanation["base_minor"] * 5 / 100
    assert (float(explanation["exact"]), explanation["points"]) == (exact, round(exact))
    cut = sum(entry["points"] for entry in explanation.get("returns", ()))
    assert points in (explanation["points"] - cut, cut or explanation["points"])


def test_an_entry_is_of_the_members_alone(shop: Shop) -> None:
    member, other = shop.with_points(10), shop.with_points(20)
    earned = [[month.earned for month in statement(shop, holder).months] for holder in (member, other)]
    points = [
        {entry.points for month in statement(shop, holder).months for entry in month.entries}
        for holder in (member, other)
    ]
    assert (earned, points) == ([[10], [20]], [{10}, {20}])


@pytest.mark.parametrize(
    "changed",
    [
        {"minor_per_100_points": 50},
        {"time_zone": "Asia/Tokyo"},
        {"time_zone": "Pacific/Honolulu", "minor_per_100_points": 7},
        {"expire_after_days": 3, "return_policy": ReturnPolicy.NEGATIVE, "return_window_days": 0},
    ],
    ids=str,
)
def test_what_is_closed_stays_whatever_the_program_says_later(
    shop: Shop, caller: Calls, changed: dict[str, Any]
) -> None:
    """Changed settings of the program, such as its time zone, don't change the statements of past months."""
    vendor, member = shop.vendor(), shop.member()
    product = shop.product(vendor, price_minor=1_000, return_window_days=0)
    for at in ((3, 15, 12), (4, 1, 3), (4, 1, 5), (5, 1, 3)):
        shop.clock.instant = datetime(2026, *at, tzinfo=UTC)
        shop.order(member, (product, 1))
        shop.night()
    shop.clock.instant = datetime(2026, 5, 10, 12, tzinfo=UTC)
    seller, buyer = caller(Role.VENDOR, vendor), caller(Role.MEMBER, member)
    paths = [f"/statements/{vendor}/2026-0{month}" for month in (2, 3, 4)]
    before = [seller.get(path).json() for path in paths]
    year = buyer.get("/wallet/statements/2026").json()["months"]
    assert [statement["earned"] for statement in before] == [0, 100, 100]
    for _ in range(2):
        shop.program(**changed)
        shop.clock.advance(days=40)
        assert [seller.get(path).json() for path in paths] == before
        assert buyer.get("/wallet/statements/2026").json()["months"][:2] == year[:2]
    may, june = (seller.get(f"/statements/{vendor}/2026-0{month}").json() for month in (5, 6))
    assert (may["carried_over"], june["carried_over"]) == (before[-1]["closing"], may["closing"])
    worth = changed.get("minor_per_100_points", 100)
    assert (june["minor_per_100_points"], june["closing_minor"]) == (worth, june["closing"] * worth // 100)


def test_a_change_of_zone_leaves_no_hour_out_and_counts_none_twice() -> None:
    history = [
        InForce(since, zone, 100)
        for since, zone in (
            (datetime(1970, 1, 1, tzinfo=UTC), "America/New_York"),
            (datetime(2026, 4, 1, 2, tzinfo=UTC), "Asia/Tokyo"),
            (datetime(2026, 6, 30, 20, tzinfo=UTC), "Pacific/Honolulu"),
        )
    ]
    months = [*periods.months(history, 2026), *periods.months(history, 2027)]
    assert all(month.end == following.begin for month, following in pairwise(months))
    assert all(month.begin < month.end for month in months)
    zones = [month.terms.time_zone.partition("/")[0] for month in months[1:7]]
    assert zones == ["America", "Asia", "Asia", "Asia", "Asia", "Pacific"]


def test_of_a_vendor_that_is_not_there_nothing_is_told(caller: Calls) -> None:
    admin, none = caller(Role.ADMIN, new_id()), new_id()
    for path in (f"/statements/{none}/2026-03", f"/vendors/{none}", f"/vendors/{none}/feeds"):
        assert admin.get(path).status_code == 404, path
    for path in (f"/vendors/{none}/credentials", f"/vendors/{none}/transitions"):
        assert admin.post(path, {"to": "suspended", "reason": "None"}).status_code in {404, 422}, path
    assert caller(Role.VENDOR, none).get(f"/statements/{none}/2026-03").status_code == 404


def test_the_command_line_shows_each_month_and_each_entry_whole(run: Run, shop: Shop) -> None:
    member = shop.member()
    placed = shop.order(member, (shop.product(price_minor=24_680, return_window_days=0), 1))
    redeemed = shop.cash_back(member, 234).redemption_id
    columns = ["month", "opening", "earned", "corrected", "returned", "spent", "expired", "closing"]
    months = [
        [*columns, "confirmed", "pending", "available", "owed"],
        ["2026-03", "0", "1,234", "0", "0", "234", "0", "1,000", "1,234", "0", "1,000", "0"],
    ]
    rule = "Five points for every 1.00 paid"
    entries = [
        ["at", "", "points", "for", "order or redemption"],
        ["03-02", "earned", "1,234", f"1 x A thing, {rule}", str(placed.order.order_id)],
        ["03-02", "confirmed", "1,234", "can be spent from then on", ""],
        ["03-02", "spent", "234", "paid out as cash back", str(redeemed)],
    ]
    command = ("member", "statement", str(member), "--year", "2026")
    code, printed, _ = run(*command)
    assert (code, table_rows(printed)[:2], sorted(table_rows(printed)[2:])) == (0, months, sorted(entries))
    assert table_rows(run(*command, "--no-lines")[1]) == months
    assert "3000 has not begun" in refused(run("member", "statement", str(member), "--year", "3000"))


def test_a_debt_is_owed_in_each_month_until_it_is_paid(shop: Shop) -> None:
    shop.program(return_policy=ReturnPolicy.NEGATIVE)
    member, product = shop.member(), shop.product(price_minor=400, return_window_days=0)
    placed = shop.order(member, (product, 1))
    shop.cash_back(member, 15)
    shop.give_back(placed, 1, vendor_id=placed.lines[0].vendor_id)
    shop.tomorrow(31)
    shop.order(member, (shop.product(price_minor=200, return_window_days=40), 1))
    shop.tomorrow(31)
    shop.night()
    shop.order(member, (shop.product(price_minor=200, return_window_days=40), 1))
    months = statement(shop, member).months
    assert [(month.month, month.pending, month.available, month.owed) for month in months] == [
        ("2026-03", 0, 0, 15),
        ("2026-04", 10, 0, 15),
        ("2026-05", 20, 0, 15),
    ]
