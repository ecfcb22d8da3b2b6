"""Tests that points lots, wallet and postings agree after any operations in any order."""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any
from uuid import UUID

import pytest

from app.errors import BadInput, Conflict, NotEnough
from app.orders.models import Placed
from app.signing import Role
from app.wallet.models import LotState
from tests.conftest import Run, table_rows
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def order_or_not(shop: Shop, dice: Random, products: list[UUID], members: list[UUID]) -> Placed | None:
    """Place a random order; return None if it is refused, as some pay with more points than the member has."""
    member = dice.choice(members)
    lines = [(product, dice.randint(1, 4)) for product in dice.sample(products, dice.randint(1, 3))]
    try:
        return shop.order(member, *lines, pay_points=dice.choice([0, 0, dice.randint(1, 60)]))
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
                member = dice.choice(members)
                if available := shop.wallet(member)[1]:
                    shop.cash_back(member, dice.choice([available, dice.randint(1, available)]))
        assert shop.disagreements() == []
        seen |= {lot.state for member in members for lot in shop.lots(member)}
    assert seen == set(LotState)


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
    vendor, other = shop.vendor(), shop.vendor()
    shop.order(shop.member(), (shop.product(vendor), 1), (shop.product(other), 3), (shop.product(vendor), 2))
    with shop.db.read() as session:
        funded = dict(
            session.rows("SELECT owner_id, points FROM postings WHERE account = 'vendor_funding' AND kind = 'earn'")
        )
    assert funded == {vendor: -15, other: -15}


def test_a_member_sees_only_their_own_wallet_and_pages_of_lots(shop: Shop, caller: Calls) -> None:
    member, other, product = shop.member(), shop.member(), shop.product()
    placed = [shop.order(member, (product, 1)) for _ in range(3)]
    api = caller(Role.MEMBER, member)
    assert api.get("/wallet").json() == {"pending": 15, "available": 0, "owed": 0}
    assert caller(Role.MEMBER, other).get("/wallet").json() == {"pending": 0, "available": 0, "owed": 0}
    first = api.get("/wallet/lots", limit=2).json()
    second = api.get("/wallet/lots", limit=2, cursor=first["next"]).json()
    assert second["next"] is None
    shown = [lot["lot_id"] for lot in first["lots"] + second["lots"]]
    assert shown == sorted((str(purchase.lots[0].lot_id) for purchase in placed), reverse=True)
    assert caller(Role.MEMBER, other).get("/wallet/lots").json() == {"lots": [], "next": None}


def test_the_command_line_shows_the_points_and_each_lot_whole(run: Run, shop: Shop) -> None:
    member = shop.with_points(1_234)
    shop.cash_back(member, 1_000)
    (lot,) = shop.lots(member)
    code, printed, _ = run("member", "wallet", str(member))
    assert (code, "pending 0   available 234" in printed) == (0, True)
    assert table_rows(printed) == [
        ["earned", "points", "unspent", "state", "matures", "because"],
        [
            f"{lot.earned_at:%Y-%m-%d}",
            "1,234",
            "234",
            "confirmed",
            str(lot.matures_on),
            f"{lot.explanation['gives']} ({lot.explanation['rule']})",
        ],
    ]
