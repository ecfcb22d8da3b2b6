"""Tests that a full return gives a voucher's use back once, unless its points stay with the member."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest

from app.errors import BadInput, Conflict
from app.offers.models import Voucher
from app.orders.models import Placed
from app.program.models import ReturnPolicy
from tests.shop import Shop

CODE = "SPRING-26"
WINDOW = 10


def used(shop: Shop, voucher_id: UUID) -> set[int]:
    """Return the voucher's numbers of uses, in total and by each member."""
    with shop.db.read() as session:
        rows = session.rows("SELECT used FROM cap_usage WHERE cap_key LIKE %s", (f"{voucher_id}/uses%",))
    return {count for (count,) in rows}


def ordered(shop: Shop, member_id: UUID, units: int = 2, lines: int = 2) -> Placed:
    products = [shop.product(return_window_days=WINDOW) for _ in range(lines)]
    return shop.order(member_id, *((product, units) for product in products), voucher=CODE)


def test_the_use_comes_back_with_the_last_unit_of_the_last_line_and_only_then(shop: Shop) -> None:
    voucher_id, member = shop.offer(Voucher(code=CODE, uses=1)), shop.member()
    placed = ordered(shop, member)
    for units, line in ((1, 1), (2, 2)):
        shop.give_back(placed, units, line)
        with pytest.raises(Conflict):
            ordered(shop, member)
    shop.give_back(placed, 1, 1)
    assert used(shop, voucher_id) == {0}
    with pytest.raises(BadInput):
        shop.give_back(placed, 1, 1)
    ordered(shop, shop.member())
    with pytest.raises(Conflict):
        ordered(shop, member)
    assert shop.disagreements() == []


def test_an_order_without_the_voucher_gives_no_use_of_it_back(shop: Shop) -> None:
    voucher_id, member = shop.offer(Voucher(code=CODE, uses=1)), shop.member()
    plain = shop.order(member, (shop.product(return_window_days=WINDOW), 1))
    ordered(shop, member)
    shop.give_back(plain, 1)
    assert used(shop, voucher_id) == {1}


@pytest.mark.parametrize(
    ("policy", "spends", "uses"),
    [
        (ReturnPolicy.ONLY_PENDING, False, 1),
        (ReturnPolicy.WITHIN_BALANCE, False, 0),
        (ReturnPolicy.WITHIN_BALANCE, True, 1),
        (ReturnPolicy.NEGATIVE, False, 0),
        (ReturnPolicy.NEGATIVE, True, 0),
    ],
)
def test_after_confirmation_the_use_comes_back_where_the_points_do(
    shop: Shop, policy: ReturnPolicy, spends: bool, uses: int
) -> None:
    shop.program(return_policy=policy)
    voucher_id, member = shop.offer(Voucher(code=CODE, uses=1)), shop.member()
    placed = ordered(shop, member, lines=1)
    shop.tomorrow(WINDOW)
    shop.night()
    if spends:
        shop.cash_back(member, sum(shop.wallet(member)))
    shop.give_back(placed, 2, vendor_id=placed.lines[0].vendor_id)
    assert (used(shop, voucher_id), shop.disagreements()) == ({uses}, [])


@pytest.mark.parametrize("lines", [1, 2])
def test_returns_at_once_give_one_use_back(shop: Shop, lines: int) -> None:
    """Of four concurrent returns, one succeeds for each line, of one unit; the voucher gets one use back."""
    voucher_id, members = shop.offer(Voucher(code=CODE, uses=3)), shop.members(3)
    placed, *_ = [ordered(shop, member, 1, lines) for member in members]
    start = Barrier(4)

    def give_back(line: int) -> bool:
        start.wait()
        try:
            shop.give_back(placed, 1, line)
        except BadInput:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(give_back, [1 + number % lines for number in range(4)])) == lines
    assert used(shop, voucher_id) == {2, 0, 1}


def test_orders_with_a_voucher_and_returns_at_once_wait_for_each_other_in_one_order(shop: Shop) -> None:
    """Orders and returns both lock the wallet before the voucher, so concurrent ones end without a deadlock."""
    voucher_id = shop.offer(Voucher(code=CODE, uses=100, uses_per_member=100))
    member, product = shop.with_points(100), shop.product(return_window_days=WINDOW)
    placed = [ordered(shop, member, 1, 1) for _ in range(8)]

    def return_and_buy(order: Placed) -> None:
        shop.give_back(order, 1)
        shop.order(member, (product, 1), pay_points=1, voucher=CODE)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(return_and_buy, placed))
    assert (used(shop, voucher_id), shop.disagreements()) == ({8}, [])
