"""Lots, wallet and postings tell one story, whatever happens in whatever order."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.errors import BadInput, Conflict, NotEnough, OutOfStock
from app.orders.models import Placed
from app.rewards.models import LotState
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def order_or_not(shop: Shop, dice: Random, products: list[UUID], members: list[UUID]) -> Placed | None:
    """Some pay a part in points, which they may not have."""
    who = dice.choice(members)
    lines = [(product, dice.randint(1, 4)) for product in dice.sample(products, dice.randint(1, 3))]
    try:
        return shop.order(who, *lines, pay_points=dice.choice([0, 0, dice.randint(1, 60)]))
    except (NotEnough, BadInput):  # fewer points than that, or a cheaper order
        return None


def return_or_not(shop: Shop, dice: Random, placed: Placed) -> None:
    line = dice.choice(placed.lines)
    with suppress(BadInput, Conflict):
        shop.give_back(placed, dice.randint(1, 4), line=line.line, vendor_id=dice.choice([None, line.vendor_id]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lots_wallet_and_postings_agree_after_every_step_of_a_random_walk(shop: Shop, seed: int) -> None:
    dice = Random(seed)
    shop.program(expire_after_days=12)
    members = shop.members(3)
    products = [
        shop.product(price_minor=dice.choice([7, 60, 333, 900]), return_window_days=days) for days in (0, 2, 5, 9)
    ]
    orders: list[Placed] = []
    seen: set[str] = set()
    for _ in range(60):
        match dice.choice(["order", "order", "return", "night", "cash back"]):
            case "order":
                placed = order_or_not(shop, dice, products, members)
                orders += [placed] if placed else []
            case "return" if orders:
                return_or_not(shop, dice, dice.choice(orders))
            case "night":
                shop.tomorrow(dice.randint(1, 4))
                shop.night()
            case _:
                who = dice.choice(members)
                if available := shop.wallet(who)[1]:
                    shop.cash_back(who, dice.choice([available, dice.randint(1, available)]))
        assert shop.disagreements() == []
        seen |= {lot.state for member in members for lot in shop.lots(member)}
    assert seen == set(LotState)


def test_lots_wallet_and_postings_agree_in_every_snapshot_while_many_work(shop: Shop) -> None:
    """Trial 3, shortened: six workers on four members and three scarce products, and a night that runs among them."""
    shop.program(expire_after_days=2)
    members, windows = shop.members(4), (0, 1, 3)
    products = [shop.product(price_minor=330, return_window_days=days, stock=400) for days in windows]
    start, found, looks = Barrier(8), Counter[str](), list[Sequence[object]]()

    def shopper(seed: int) -> None:
        dice, mine = Random(seed), list[Placed]()
        start.wait()
        try:
            for _ in range(25):
                found[act(dice, mine)] += 1
        finally:
            working.remove(seed)

    def act(dice: Random, mine: list[Placed]) -> str:
        try:
            match dice.choice(["order", "order", "return", "cash back"]):
                case "order":
                    placed = order_or_not(shop, dice, products, members)
                    mine += [placed] if placed else []
                case "return" if mine:
                    return_or_not(shop, dice, dice.choice(mine))
                case _:
                    shop.cash_back(dice.choice(members), dice.randint(1, 20))
        except (NotEnough, OutOfStock):
            return "refused"
        return "done"

    def nights() -> None:
        start.wait()
        while working:
            shop.tomorrow()
            shop.night()

    def reader() -> None:
        start.wait()
        while working:
            looks.append(shop.disagreements())

    working = list(range(6))
    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(shopper, seed) for seed in range(6)]
        running += [threads.submit(nights), threads.submit(reader)]
        for one in running:
            one.result(60)
    assert len(looks) > 3
    assert [look for look in looks if look] == []
    assert shop.disagreements() == []
    assert found["done"] > 50
    counts = shop.counts()
    assert min(counts[table] for table in ("lots", "returns", "redemptions", "nightly_runs")) > 0
    with shop.db.read() as session:
        bought = session.value("SELECT sum(units) FROM order_lines")
    assert sum(shop.on_hand(product) for product in products) == 1_200 - bought


def test_cycles_of_buying_paying_with_points_and_returning_mint_no_points(shop: Shop) -> None:
    """Trial 15, shortened."""
    dice = Random(15)
    member = shop.with_points(3_000)
    products = [shop.product(price_minor=price, return_window_days=30) for price in (101, 333, 997)]
    held = sum(shop.wallet(member))
    for _ in range(40):
        pays = dice.randint(0, 60)
        placed = shop.order(member, *[(product, dice.randint(1, 5)) for product in products], pay_points=pays)
        for line in placed.lines:
            left = line.units
            while left:
                units = dice.randint(1, left)
                shop.give_back(placed, units, line=line.line)
                left -= units
        assert sum(shop.wallet(member)) == held - pays
        held -= pays
    assert shop.disagreements() == []


def test_spending_draws_the_soonest_expiry_first_and_every_point_is_traced(shop: Shop) -> None:
    member = shop.member()
    for days, points in ((300, 30), (100, 10), (200, 20)):
        shop.program(expire_after_days=days)
        shop.with_points(points, member_id=member)
    late, soon, middle = shop.lots(member)
    spent = shop.cash_back(member, 25)
    with shop.db.read() as session:
        drawn = dict(
            session.rows("SELECT lot_id, points FROM lot_draws WHERE redemption_id = %s", (spent.redemption_id,))
        )
    assert drawn == {soon.lot_id: 10, middle.lot_id: 15}
    left = {lot.lot_id: (lot.state, lot.unspent) for lot in shop.lots(member)}
    assert left == {
        late.lot_id: (LotState.CONFIRMED, 30),
        soon.lot_id: (LotState.SPENT, 0),
        middle.lot_id: (LotState.CONFIRMED, 5),
    }
    assert (shop.wallet(member), shop.balance("program_liability")) == ((0, 35), 25)


def test_points_that_never_expire_are_spent_last(shop: Shop) -> None:
    member = shop.member()
    for days in (None, 100):
        shop.program(expire_after_days=days)
        shop.with_points(10, member_id=member)
    shop.cash_back(member, 10)
    assert [(lot.expires_on is None, lot.unspent) for lot in shop.lots(member)] == [(True, 10), (False, 0)]


def test_the_vendor_of_each_line_funds_what_it_earns(shop: Shop) -> None:
    one, other = shop.vendor(), shop.vendor()
    shop.order(shop.member(), (shop.product(one), 1), (shop.product(other), 3), (shop.product(one), 2))
    with shop.db.read() as session:
        funded = dict(
            session.rows("SELECT owner_id, points FROM postings WHERE account = 'vendor_funding' AND kind = 'earn'")
        )
    assert funded == {one: -15, other: -15}


def test_a_member_sees_only_their_own_wallet_and_pages_of_lots(shop: Shop, caller: Calls) -> None:
    member, other, product = shop.member(), shop.member(), shop.product()
    placed = [shop.order(member, (product, 1)) for _ in range(3)]
    api = caller(Role.MEMBER, member)
    assert api.get("/wallet").json() == {"pending": 15, "available": 0, "owed": 0}
    assert caller(Role.MEMBER, other).get("/wallet").json() == {"pending": 0, "available": 0, "owed": 0}
    first = api.get("/wallet/lots", limit=2).json()
    second = api.get("/wallet/lots", limit=2, after=first["next"]).json()
    assert second["next"] is None
    shown = [lot["lot_id"] for lot in first["lots"] + second["lots"]]
    assert shown == sorted((str(one.lots[0].lot_id) for one in placed), reverse=True)
    assert caller(Role.MEMBER, other).get("/wallet/lots").json() == {"lots": [], "next": None}
