"""Tests of returns: exactly the units' points are taken back, whatever happened to them since the purchase."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import BadInput, Conflict, NotFound
from app.orders.models import Placed
from app.program.models import ReturnPolicy
from app.signing import Role
from app.wallet.models import LotState
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
WINDOW = 10


def bought(shop: Shop, units: int, price_minor: int = 100, member_id: UUID | None = None) -> Placed:
    product = shop.product(price_minor=price_minor, return_window_days=WINDOW)
    return shop.order(member_id or shop.member(), (product, units))


def confirmed(shop: Shop, units: int, price_minor: int = 100) -> tuple[Placed, UUID]:
    """Create an order whose points are confirmed; return it with its vendor, who may still accept returns."""
    placed = bought(shop, units, price_minor)
    shop.tomorrow(WINDOW)
    shop.night()
    return placed, placed.lines[0].vendor_id


def states(shop: Shop, placed: Placed) -> list[tuple[LotState, int, int, int]]:
    lots = shop.lots(placed.order.member_id)
    return sorted((lot.state, lot.units, lot.points, lot.unspent) for lot in lots)


def test_one_unit_of_three_then_the_other_two_before_confirmation(shop: Shop, caller: Calls) -> None:
    placed = bought(shop, 3, price_minor=33)  # 99 cents earn 5: by units 1.67, 3.33, 5
    member = caller(Role.MEMBER, placed.order.member_id)
    path = f"/orders/{placed.order.order_id}"
    first = member.post(f"{path}/returns", {"line": 1, "units": 1, "reason": "too small"})
    assert (first.status_code, first.json()["points"]) == (201, 2)
    assert shop.wallet(placed.order.member_id) == (3, 0)
    assert states(shop, placed) == [(LotState.PENDING, 2, 3, 3), (LotState.REMOVED, 1, 2, 0)]
    shown = member.get(path).json()
    assert (shown["earns"], shown["lines"][0]["returned_units"], shown["paid_minor"]) == (3, 1, 99)
    second = member.post(f"{path}/returns", {"line": 1, "units": 2, "reason": "too small as well"})
    assert (second.status_code, second.json()["points"]) == (201, 3)
    assert shop.wallet(placed.order.member_id) == (0, 0)
    assert {state for state, *_ in states(shop, placed)} == {LotState.REMOVED}
    listed = member.get(f"{path}/returns").json()["returns"]
    assert [(entry["units"], entry["points"], entry["reason"]) for entry in listed] == [
        (1, 2, "too small"),
        (2, 3, "too small as well"),
    ]
    assert (shop.balance("vendor_funding"), shop.disagreements()) == (0, [])


def test_returned_units_removes_only_their_own_lines_lots(shop: Shop) -> None:
    member = shop.member()
    placed = shop.order(member, (shop.product(), 2), (shop.product(), 2))
    assert shop.give_back(placed, 2, line=2).points == 10
    lots = {lot.line: (lot.state, lot.points) for lot in shop.lots(member)}
    assert lots == {1: (LotState.PENDING, 10), 2: (LotState.REMOVED, 10)}


def test_a_removed_lot_stays_to_be_seen_with_what_it_was_split_from_and_its_return(shop: Shop) -> None:
    placed = bought(shop, 3)
    first = shop.give_back(placed, 1)
    shop.clock.instant = datetime(2026, 3, 4, 4, 59, tzinfo=UTC)  # 23:59 on the 3rd in New York
    second = shop.give_back(placed, 1)
    kept, *removed = sorted(
        shop.lots(placed.order.member_id), key=lambda lot: (lot.state != LotState.PENDING, lot.lot_id)
    )
    assert (kept.lot_id, kept.split_from, kept.points) == (placed.lots[0].lot_id, None, 5)
    assert [(lot.split_from, lot.units, lot.recovered) for lot in removed] == [(kept.lot_id, 1, 0)] * 2
    named = [
        {"return_id": str(returned.return_id), "on": day, "units": 1, "points": 5}
        for returned, day in ((first, "2026-03-02"), (second, "2026-03-03"))
    ]
    assert kept.explanation == {**placed.lots[0].explanation, "returns": named}
    assert [lot.explanation["returns"] for lot in removed] == [[entry] for entry in named]


def test_a_lot_that_is_taken_whole_names_its_return(shop: Shop, caller: Calls) -> None:
    placed, vendor = confirmed(shop, 2)
    returned = shop.give_back(placed, 2, vendor_id=vendor)
    shown = caller(Role.MEMBER, placed.order.member_id).get(f"/wallet/lots/{placed.lots[0].lot_id}").json()
    assert (shown["state"], shown["explanation"]["returns"]) == (
        "clawed_back",
        [{"return_id": str(returned.return_id), "on": "2026-03-12", "units": 2, "points": 10}],
    )


def test_units_that_come_back_after_confirmation_are_clawed_back(shop: Shop) -> None:
    placed, vendor = confirmed(shop, 3)
    assert shop.wallet(placed.order.member_id) == (0, 15)
    assert shop.give_back(placed, 1, vendor_id=vendor).points == 5
    assert shop.wallet(placed.order.member_id) == (0, 10)
    assert shop.give_back(placed, 2, vendor_id=vendor).points == 10
    assert shop.wallet(placed.order.member_id) == (0, 0)
    assert {state for state, *_ in states(shop, placed)} == {LotState.CLAWED_BACK}
    assert (shop.balance("vendor_funding"), shop.disagreements()) == (0, [])


def test_spent_points_are_clawed_back_within_the_balance(shop: Shop) -> None:
    placed, vendor = confirmed(shop, 2)
    member = placed.order.member_id
    shop.cash_back(member, 8)
    assert shop.give_back(placed, 2, vendor_id=vendor).points == 2  # all that is left
    assert shop.wallet(member) == (0, 0)
    assert states(shop, placed) == [(LotState.CLAWED_BACK, 2, 2, 0), (LotState.SPENT, 0, 8, 0)]
    assert shop.disagreements() == []


def test_spent_points_are_clawed_back_out_of_other_purchases(shop: Shop) -> None:
    placed, vendor = confirmed(shop, 2)
    member = placed.order.member_id
    shop.cash_back(member, 8)
    shop.with_points(100, member_id=member)
    assert shop.give_back(placed, 1, vendor_id=vendor).points == 5  # 2 out of the lot itself, 3 out of the other
    assert shop.wallet(member) == (0, 97)
    assert shop.give_back(placed, 1, vendor_id=vendor).points == 5
    assert shop.wallet(member) == (0, 92)
    assert shop.disagreements() == []


def test_where_only_pending_points_are_taken_confirmed_ones_stay(shop: Shop) -> None:
    shop.program(return_policy=ReturnPolicy.ONLY_PENDING)
    placed, vendor = confirmed(shop, 2)
    assert shop.give_back(placed, 2, vendor_id=vendor).points == 0
    assert shop.wallet(placed.order.member_id) == (0, 10)
    pending = bought(shop, 2)
    assert shop.give_back(pending, 2).points == 10
    assert shop.disagreements() == []


def test_expired_points_are_not_taken_a_second_time(shop: Shop) -> None:
    shop.program(expire_after_days=5)
    placed, vendor = confirmed(shop, 2)
    shop.tomorrow(5)
    shop.night()
    shop.program(expire_after_days=500)
    shop.with_points(100, member_id=placed.order.member_id)
    assert shop.give_back(placed, 2, vendor_id=vendor).points == 0
    assert (shop.wallet(placed.order.member_id), shop.balance("breakage")) == ((0, 100), 10)
    assert shop.disagreements() == []


def test_of_a_lot_partly_spent_partly_expired_no_more_is_taken_than_was_spent(shop: Shop) -> None:
    shop.program(expire_after_days=5)
    placed, vendor = confirmed(shop, 2)
    shop.cash_back(placed.order.member_id, 6)
    shop.tomorrow(5)
    shop.night()  # the other 4 expire
    shop.program(expire_after_days=500)
    shop.with_points(100, member_id=placed.order.member_id)
    taken = [shop.give_back(placed, 1, vendor_id=vendor).points for _ in range(2)]
    assert sum(taken) == 6  # as when both come back at once


def test_points_spent_on_a_returned_order_are_not_given_back(shop: Shop) -> None:
    member = shop.with_points(100)
    placed = shop.order(member, (shop.product(), 2), pay_points=100)
    assert shop.wallet(member) == (5, 0)
    assert shop.give_back(placed, 2).points == 5
    assert shop.wallet(member) == (0, 0)
    assert shop.disagreements() == []


def test_a_lot_that_returns_left_without_points_does_not_stop_the_night(shop: Shop) -> None:
    """Three units earn one point together, which the second return takes."""
    placed = bought(shop, 3, price_minor=7)
    assert [shop.give_back(placed, 1).points for _ in range(2)] == [0, 1]
    other = bought(shop, 1)
    shop.tomorrow(WINDOW)
    shop.night()
    assert shop.wallet(other.order.member_id) == (0, 5)
    assert shop.disagreements() == []


@pytest.mark.parametrize(
    ("fate", "state", "taken", "left"),
    [
        ("pending", LotState.REMOVED, [5, 10], (4, 0)),
        ("confirmed", LotState.CLAWED_BACK, [5, 10], (0, 4)),
        ("spent", LotState.CLAWED_BACK, [4, 0], (0, 0)),  # what the other line earned is all that is left
        ("expired", LotState.CLAWED_BACK, [0, 0], (0, 0)),
    ],
)
def test_unit_one_of_three_then_the_other_two(
    shop: Shop, fate: str, state: LotState, taken: list[int], left: tuple[int, int]
) -> None:
    """One of two lines is returned, before or after its points are confirmed, spent or expired."""
    shop.program(expire_after_days=5)
    member = shop.member()
    lines = [(shop.product(price_minor=price, return_window_days=WINDOW), 3) for price in (100, 27)]
    placed = shop.order(member, *lines)
    if fate != "pending":
        shop.tomorrow(WINDOW)
        shop.night()
    if fate == "spent":
        shop.cash_back(member, 15)
    if fate == "expired":
        shop.tomorrow(5)
        shop.night()
    vendor = placed.lines[0].vendor_id
    assert [shop.give_back(placed, units, vendor_id=vendor).points for units in (1, 2)] == taken
    came_back = [(lot.line, lot.units) for lot in shop.lots(member) if lot.state is state and lot.units]
    assert sorted(came_back) == [(1, 1), (1, 2)]
    other = [lot for lot in shop.lots(member) if lot.line == 2]
    assert [(lot.units, lot.points, lot.split_from) for lot in other] == [(3, 4, None)]
    assert (shop.wallet(member), shop.disagreements()) == (left, [])
    with pytest.raises(BadInput, match="3 were bought, 3 are back already"):
        shop.give_back(placed, 1, vendor_id=vendor)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    splits=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    price_minor=st.integers(20, 400),
    fate=st.sampled_from(["pending", "confirmed", "spent in part", "spent"]),
)
def test_any_split_of_returns_takes_what_one_return_takes(
    shop: Shop, splits: list[int], price_minor: int, fate: str
) -> None:
    units = sum(splits)
    at_once, in_parts = (bought(shop, units, price_minor) for _ in range(2))
    if fate != "pending":
        shop.tomorrow(WINDOW)
        shop.night()
    earned = at_once.lots[0].points
    if fate.startswith("spent"):
        for placed in (at_once, in_parts):
            shop.cash_back(placed.order.member_id, earned if fate == "spent" else max(1, earned // 3))
            shop.with_points(7, member_id=placed.order.member_id)
    vendor = [placed.lines[0].vendor_id for placed in (at_once, in_parts)]
    whole = shop.give_back(at_once, units, vendor_id=vendor[0]).points
    parts = sum(shop.give_back(in_parts, part, vendor_id=vendor[1]).points for part in splits)
    assert parts == whole
    assert shop.wallet(at_once.order.member_id) == shop.wallet(in_parts.order.member_id)
    if not fate.startswith("spent"):
        assert whole == earned
    assert shop.disagreements() == []


def test_more_than_was_bought_does_not_come_back(shop: Shop, caller: Calls) -> None:
    placed = bought(shop, 3)
    shop.give_back(placed, 2)
    before = shop.counts()
    with pytest.raises(BadInput, match="3 were bought, 2 are back already") as refused:
        shop.give_back(placed, 2)
    assert [error.field for error in refused.value.errors] == ["units"]
    member, path = caller(Role.MEMBER, placed.order.member_id), f"/orders/{placed.order.order_id}/returns"
    for units in (0, -1, 1.5, "1", 2, 10**12):
        answer = member.post(path, {"line": 1, "units": units, "reason": "too many"})
        assert answer.status_code == 422, units
    for line, status in ((2, 404), (32_767, 404), (10**12, 422)):
        answer = member.post(path, {"line": line, "units": 1, "reason": "no such line"})
        assert answer.status_code == status, line
    assert shop.counts() == before


def test_many_returns_of_the_last_unit_at_once_take_it_once(shop: Shop) -> None:
    placed, start = bought(shop, 1), Barrier(6)
    outcomes: list[str] = []

    def give_back() -> None:
        start.wait()
        try:
            outcomes.append(f"took {shop.give_back(placed, 1).points}")
        except BadInput:
            outcomes.append("refused")

    threads = [Thread(target=give_back) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 5 + ["took 5"]
    assert (shop.wallet(placed.order.member_id), shop.disagreements()) == ((0, 0), [])


def test_the_window_ends_at_the_local_midnight_that_confirms(shop: Shop) -> None:
    """Bought on 2 March, in standard time; the window ends in New York's summer time."""
    placed = bought(shop, 2)
    assert placed.lines[0].matures_on == date(2026, 3, 12)
    cut_off = datetime(2026, 3, 12, 4, 0, tzinfo=UTC)
    shop.clock.instant = cut_off - timedelta(seconds=1)
    shop.give_back(placed, 1)
    shop.clock.instant = cut_off
    before = shop.counts()
    with pytest.raises(Conflict, match=r"10 days ended with the day before 2026-03-12"):
        shop.give_back(placed, 1)
    assert (shop.counts(), shop.wallet(placed.order.member_id)) == (before, (0, 5))


@pytest.mark.parametrize(("changed_to", "days", "accepted"), [(0, WINDOW - 1, True), (300, WINDOW, False)])
def test_a_window_changed_after_the_purchase_does_not_count(
    shop: Shop, changed_to: int, days: int, *, accepted: bool
) -> None:
    placed = bought(shop, 1)
    line = placed.lines[0]
    shop.change(line.vendor_id, line.product_id, return_window_days=changed_to)
    shop.tomorrow(days)
    if accepted:
        assert shop.give_back(placed, 1).points == 5
    else:
        with pytest.raises(Conflict):
            shop.give_back(placed, 1)


def test_the_lines_vendor_may_accept_late_and_another_may_not(shop: Shop, caller: Calls) -> None:
    member = shop.member()
    seller, other = shop.vendor(), shop.vendor()
    placed = shop.order(member, (shop.product(seller), 1), (shop.product(other), 1))
    shop.tomorrow(100)
    path, late = f"/orders/{placed.order.order_id}/returns", {"line": 1, "units": 1, "reason": "goodwill"}
    assert caller(Role.MEMBER, member).post(path, late).status_code == 409
    assert caller(Role.VENDOR, other).post(path, late).status_code == 404
    assert caller(Role.VENDOR, seller).post(path, late).status_code == 201
    with pytest.raises(NotFound):
        shop.give_back(placed, 1, line=2, vendor_id=seller)
