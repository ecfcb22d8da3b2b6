"""Tests that undoing a redemption gives back no points that returns took, in any order and under any policy."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.earning.rules import Method
from app.errors import RewardsError
from app.offers import redemption
from app.offers.models import Item
from app.program.models import ReturnPolicy
from app.wallet import service as wallets
from app.wallet.models import LotState, Redemption, RedemptionKind
from app.wallet.payments_models import PaymentState
from tests.shop import Shop

Undo = Callable[[Shop, UUID, Redemption], None]


def take_item(shop: Shop, member: UUID, points: int) -> Redemption:
    item = shop.offer(Item(points=points), on_hand=1)
    with shop.db.write() as session:
        return redemption.item(session, member, item, shop.clock)


def cancel(shop: Shop, _: UUID, spent: Redemption) -> None:
    shop.cancel_redemption(spent)


def fail(shop: Shop, member: UUID, spent: Redemption) -> None:
    payment = next(row for row in shop.payments(member) if row.redemption_id == spent.redemption_id)
    shop.move(payment.payment_id, PaymentState.SENT)
    shop.move(payment.payment_id, PaymentState.FAILED)


def call_off(shop: Shop, member: UUID, spent: Redemption) -> None:
    payment = next(row for row in shop.payments(member) if row.redemption_id == spent.redemption_id)
    shop.move(payment.payment_id, PaymentState.CANCELLED)


def worth(shop: Shop, member: UUID) -> int:
    """Return the member's available points minus the points that the member owes."""
    with shop.db.read() as session:
        owed = session.value("SELECT owed FROM wallets WHERE member_id = %s", (member,))
    return shop.wallet(member)[1] - int(owed)


@pytest.mark.parametrize("way", [cancel, fail, call_off])
@pytest.mark.parametrize(
    ("policy", "left", "vendors"),
    [
        (ReturnPolicy.ONLY_PENDING, 100, -100),  # what was confirmed is not taken back
        (ReturnPolicy.WITHIN_BALANCE, 0, 0),
        (ReturnPolicy.NEGATIVE, 0, 0),
    ],
)
def test_goods_that_came_back_stay_paid_back_when_what_spent_their_points_is_undone(
    shop: Shop, policy: ReturnPolicy, left: int, vendors: int, way: Undo
) -> None:
    shop.program(return_policy=policy)
    seller, member = shop.vendor(), shop.member()
    placed = shop.order(member, (shop.product(seller, price_minor=2_000, return_window_days=0), 1))
    shop.night()
    spent = take_item(shop, member, 100) if way is cancel else shop.cash_back(member, 100)
    shop.give_back(placed, 1, vendor_id=seller)
    way(shop, member, spent)
    assert (worth(shop, member), shop.balance("vendor_funding")) == (left, vendors)
    assert shop.disagreements() == []


def test_points_that_a_return_took_elsewhere_come_back_whole(shop: Shop) -> None:
    """The returned unit's 100 points had been spent, so the return took 100 of the member's other points."""
    seller, member = shop.vendor(), shop.member()
    shop.program(return_policy=ReturnPolicy.WITHIN_BALANCE)
    product = shop.product(seller, price_minor=2_000, return_window_days=0)
    first = shop.order(member, (product, 1))
    shop.night()
    spent = shop.cash_back(member, 100)
    shop.order(member, (product, 1))
    shop.night()
    shop.give_back(first, 1, vendor_id=seller)
    assert worth(shop, member) == 0
    with shop.db.read() as session:
        taken = wallets.redemptions(session, member, None, 10)[0]
    assert (taken.kind, taken.points, taken.order_id) == (RedemptionKind.CLAWBACK, 100, first.order.order_id)
    shop.cancel_redemption(spent)
    assert (worth(shop, member), shop.balance("vendor_funding")) == (100, -100)
    assert shop.disagreements() == []


def test_what_its_vendor_gets_late_is_a_lot_of_its_own_that_names_the_return(shop: Shop) -> None:
    seller, member = shop.vendor(), shop.member()
    shop.program(return_policy=ReturnPolicy.WITHIN_BALANCE)
    placed = shop.order(member, (shop.product(seller, price_minor=2_000, return_window_days=0), 2))
    shop.night()
    spent = shop.cash_back(member, 200)
    came = shop.give_back(placed, 1, vendor_id=seller)
    shop.cancel_redemption(spent)
    clawed = [lot for lot in shop.lots(member) if lot.state is LotState.CLAWED_BACK and lot.points]
    assert [(lot.points, lot.explanation["returns"][-1]["return_id"]) for lot in clawed] == [(100, str(came.return_id))]
    (rest,) = [lot for lot in shop.lots(member) if lot.state is LotState.CONFIRMED]
    recorded = {"return_id": str(came.return_id), "on": "2026-03-02"}
    assert (rest.short, rest.explanation["returns"]) == (
        0,
        [{**recorded, "units": 1, "points": 0, "short": 0}, {**recorded, "units": 0, "points": 100}],
    )
    assert worth(shop, member) == 100
    shop.give_back(placed, 1, vendor_id=seller)
    assert (worth(shop, member), shop.balance("vendor_funding"), shop.disagreements()) == (0, 0, [])


def test_points_that_their_vendor_gets_late_no_longer_count_towards_a_rules_cap(shop: Shop) -> None:
    """A rule gives a member at most 20 points: 10 that come back late can be earned again."""
    shop.program(return_policy=ReturnPolicy.WITHIN_BALANCE)
    shop.rule(10, Method.FIXED, priority=1, cap_member=20)
    seller, member = shop.vendor(), shop.member()
    product = shop.product(seller, price_minor=2_000, return_window_days=0)
    placed = shop.order(member, (product, 2))
    assert [lot.points for lot in placed.lots] == [20]
    spent = shop.cash_back(member, 20)
    shop.give_back(placed, 1, vendor_id=seller)
    shop.cancel_redemption(spent)
    assert worth(shop, member) == 10
    assert [lot.points for lot in shop.order(member, (product, 2)).lots] == [10]


def test_points_that_paid_for_returns_one_after_the_other_reach_the_last_vendor(shop: Shop) -> None:
    """Four vendors' units are returned after 7 points were spent: the last vendor is paid when these points return."""
    shop.program(return_policy=ReturnPolicy.WITHIN_BALANCE)
    member, sellers = shop.member(), [shop.vendor() for _ in range(4)]
    bought = [
        shop.order(member, (shop.product(seller, price_minor=700, return_window_days=0), 1)) for seller in sellers
    ]
    spent = shop.cash_back(member, 7)
    for placed, seller in zip(bought, sellers, strict=True):
        shop.give_back(placed, 1, vendor_id=seller)
    assert (worth(shop, member), shop.balance("vendor_funding")) == (0, -7)
    shop.cancel_redemption(spent)
    assert (worth(shop, member), shop.balance("vendor_funding"), shop.disagreements()) == (0, 0, [])


def test_who_undoes_what_was_spent_later_does_not_pay_for_what_went_short_before(shop: Shop) -> None:
    """An undone redemption's points pay for later returns that found too few points, but not for earlier ones."""
    shop.program(return_policy=ReturnPolicy.WITHIN_BALANCE)
    seller, member = shop.vendor(), shop.member()
    product = shop.product(seller, price_minor=140, return_window_days=0)
    returned = shop.order(member, (product, 2))
    before = shop.cash_back(member, 14)
    shop.give_back(returned, 1, vendor_id=seller)  # 7 are missing
    shop.order(member, (product, 1))
    between = shop.cash_back(member, 7)
    shop.give_back(returned, 1, vendor_id=seller)  # 7 more
    shop.order(member, (shop.product(seller, price_minor=400, return_window_days=0), 1))
    after = shop.cash_back(member, 20)
    assert worth(shop, member) == 0
    shop.cancel_redemption(after)
    assert worth(shop, member) == 20
    shop.cancel_redemption(between)
    assert worth(shop, member) == 20
    shop.cancel_redemption(before)
    assert (worth(shop, member), shop.disagreements()) == (27, [])


def test_what_a_reversed_correction_went_short_of_is_taken_when_what_spent_it_is_undone(shop: Shop) -> None:
    shop.program(return_policy=ReturnPolicy.WITHIN_BALANCE)
    member = shop.member()
    booked = shop.correct(member, 40)
    spent = shop.cash_back(member, 40)
    reversed_ = shop.reverse(booked)
    (lot,) = [lot for lot in shop.lots(member) if lot.lot_id == reversed_.lot_id]
    (entry,) = lot.explanation["returns"]
    assert (entry["reversed"], entry["on"], entry["units"], entry["short"]) == (
        str(booked.correction_id),
        "2026-03-02",
        0,
        40,
    )
    shop.correct(member, 5)
    shop.cancel_redemption(spent)
    assert (worth(shop, member), shop.balance("corrections"), shop.disagreements()) == (5, -5, [])


STEP = st.tuples(st.sampled_from(["buy", "return", "spend", "spend", "undo", "night"]), st.integers(0, 5))


@pytest.mark.slow
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from([ReturnPolicy.WITHIN_BALANCE, ReturnPolicy.NEGATIVE]), st.lists(STEP, min_size=5, max_size=12))
def test_all_returned_and_all_undone_leaves_nothing(
    shop: Shop, policy: ReturnPolicy, steps: list[tuple[str, int]]
) -> None:
    """If all units are returned and all redemptions cancelled, in any order, no points and no vendor's costs remain."""
    shop.program(return_policy=policy)
    seller, member, funded = shop.vendor(), shop.member(), shop.balance("vendor_funding")
    product = shop.product(seller, price_minor=700, return_window_days=0)
    orders = [shop.order(member, (product, 3))]
    spent: list[Redemption] = []
    for action, which in steps:
        match action:
            case "buy":
                orders.append(shop.order(member, (product, 3)))
            case "night":
                shop.tomorrow()
                shop.night()
            case _:
                _try(shop, action, member, spent, partial(shop.give_back, orders[which % len(orders)], 1), which)
    for placed in orders:
        for _ in range(3):
            _try(shop, "return", member, spent, partial(shop.give_back, placed, 1, vendor_id=seller), 0)
    for redeemed in spent:
        _try(shop, "undo", member, [redeemed], lambda: None, 0)
    shop.tomorrow()
    shop.night()
    assert (worth(shop, member), shop.wallet(member)[0]) == (0, 0)
    assert (shop.balance("vendor_funding"), shop.disagreements()) == (funded, [])


def _try(
    shop: Shop, action: str, member: UUID, spent: list[Redemption], give_back: Callable[[], object], which: int
) -> None:
    try:
        match action:
            case "return":
                give_back()
            case "spend":
                spent.append(shop.cash_back(member, 7 + 11 * which))
            case "undo" if spent:
                shop.cancel_redemption(spent[which % len(spent)])
    except RewardsError:
        return
