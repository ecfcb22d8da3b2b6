"""Slow tests of lots and wallets: many concurrent callers, many repetitions, and processes that are killed."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from threading import Barrier
from uuid import UUID

import pytest

from app.db import Database
from app.earning.earners import Scope
from app.errors import BadInput, Conflict, NotEnough, OutOfStock
from app.offers import redemption
from app.offers import service as offers
from app.offers.models import Item
from app.orders import placing
from app.orders import service as orders
from app.orders.models import LineDraft, OrderDraft, Placed
from app.settings import Settings
from app.wallet.models import Redemption
from tests.conftest import SettableClock
from tests.night.crashing import once
from tests.shop import Shop

CALLERS, ROUNDS = 50, 200


@pytest.fixture
def crowd(settings: Settings, clock: SettableClock) -> Iterator[Shop]:
    """A shop with a database pool large enough for many concurrent callers."""
    db = Database.open(settings.model_copy(update={"pool_size": 24}))
    yield Shop(db, clock)
    db.close()


@pytest.mark.slow
def test_of_fifty_redemptions_at_once_one_succeeds_in_each_of_two_hundred_rounds(crowd: Shop) -> None:
    """Points and stock suffice for one redemption, which is cancelled before the next round."""
    # Trial 1
    member, mug = crowd.with_points(40), crowd.offer(Item(points=40), on_hand=1)
    start, redemptions, refused = Barrier(CALLERS + 1), list[Redemption](), Counter[int]()
    end = Barrier(CALLERS + 1)

    def caller(_: int) -> None:
        for _round in range(ROUNDS):
            start.wait()
            try:
                with crowd.db.write() as session:
                    redeemed = redemption.item(session, member, mug, crowd.clock)
                redemptions.append(redeemed)
            except (NotEnough, Conflict) as refusal:
                refused[refusal.status] += 1
            end.wait()

    with ThreadPoolExecutor(CALLERS) as threads:
        running = [threads.submit(caller, number) for number in range(CALLERS)]
        for number in range(1, ROUNDS + 1):
            start.wait(30)
            end.wait(30)
            assert len(redemptions) == number
            assert crowd.wallet(member) == (0, 0)
            crowd.cancel_redemption(redemptions[-1])
        for future in running:
            future.result(30)
    assert set(refused) <= {NotEnough.status, Conflict.status}
    assert sum(refused.values()) == ROUNDS * (CALLERS - 1)
    with crowd.db.read() as session:
        entries = dict(
            session.rows(
                "SELECT document_id, count(*) FROM journal_revisions WHERE table_name = 'redemptions' GROUP BY 1"
            )
        )
        assert offers.offer(session, mug).on_hand == 1
    assert entries == {str(redeemed.redemption_id): 2 for redeemed in redemptions}  # made, and cancelled
    assert (crowd.wallet(member), crowd.disagreements()) == ((0, 40), [])


def test_purchases_at_once_never_earn_more_than_the_cap_of_a_day(crowd: Shop) -> None:
    # Trial 2
    product, member, start = crowd.product(), crowd.member(), Barrier(8)
    crowd.rule(5, scope=Scope.PRODUCT, target=product, cap_member_day=17)

    def buy(_: int) -> int:
        start.wait()
        return sum(lot.points for _ in range(2) for lot in crowd.order(member, (product, 1)).lots)

    for _day in range(2):
        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(buy, range(8))) == 17
        crowd.tomorrow()
    assert (crowd.wallet(member), crowd.disagreements()) == ((34, 0), [])


WORKERS, STEPS = 16, 25


@dataclass
class Worker:
    """A random user of the shop, who orders, redeems points, and returns or cancels earlier orders and redemptions."""

    shop: Shop
    dice: Random
    members: list[UUID]
    products: list[UUID]
    bought: list[Placed] = field(default_factory=list)
    spent: list[Redemption] = field(default_factory=list)

    def step(self, action: str) -> None:
        shop, dice = self.shop, self.dice
        match action:
            case "return" if self.bought:
                placed = dice.choice(self.bought)
                line = dice.choice(placed.lines)
                by = dice.choice([None, line.vendor_id])
                shop.give_back(placed, dice.randint(1, 3), line=line.line, vendor_id=by)
            case "redeem":
                self.spent.append(shop.cash_back(dice.choice(self.members), dice.randint(1, 20)))
            case "cancel" if self.spent:
                shop.cancel_redemption(self.spent.pop())
            case _:
                lines = [(product, dice.randint(1, 3)) for product in dice.sample(self.products, dice.randint(1, 2))]
                self.bought.append(shop.order(dice.choice(self.members), *lines, pay_points=dice.choice([0, 0, 9])))


@pytest.mark.slow
def test_the_books_agree_in_every_snapshot_while_sixteen_work(crowd: Shop) -> None:
    """16 threads order, redeem, cancel and return while nightly calculations run and a reader compares the books."""
    # Trial 3
    crowd.program(expire_after_days=2)
    members, windows = crowd.members(5), (0, 1, 3)
    products = [crowd.product(price_minor=330, return_window_days=days, stock=1_500) for days in windows]
    start, did, looks = Barrier(WORKERS + 2), Counter[str](), list[Sequence[object]]()
    working = list(range(WORKERS))

    def worker(seed: int) -> None:
        shopper = Worker(crowd, Random(seed), members, products)
        start.wait()
        try:
            for _ in range(STEPS):
                action = shopper.dice.choice(["order", "order", "return", "redeem", "cancel"])
                with suppress(NotEnough, BadInput, Conflict, OutOfStock):
                    shopper.step(action)
                    did[action] += 1
        finally:
            working.remove(seed)

    def nights() -> None:
        start.wait()
        while working:
            crowd.tomorrow()
            crowd.night()

    def reader() -> None:
        start.wait()
        while working:
            looks.append(crowd.disagreements())

    with ThreadPoolExecutor(WORKERS + 2) as threads:
        running = [threads.submit(worker, seed) for seed in range(WORKERS)]
        running += [threads.submit(nights), threads.submit(reader)]
        for future in running:
            future.result(100)
    assert len(looks) > 3
    assert [look for look in looks if look] == []
    assert crowd.disagreements() == []
    assert min(did[action] for action in ("order", "return", "redeem", "cancel")) > 5
    assert crowd.balance("breakage") > 0
    with crowd.db.read() as session:
        bought = session.value("SELECT sum(units) FROM order_lines")
    assert sum(crowd.on_hand(product) for product in products) == 4_500 - bought


@pytest.mark.slow
def test_a_thousand_cycles_of_buying_paying_with_points_and_returning_mint_no_points(shop: Shop) -> None:
    """Orders paid in part with points are returned unit by unit; the member must not have more points than before."""
    # Trial 15
    dice = Random(15)
    member = shop.with_points(5_000)
    products = [shop.product(price_minor=price, return_window_days=30) for price in (101, 333, 997)]
    held = shop.wallet(member)[1]
    for _ in range(1_000):
        pays = dice.randint(0, 9)
        bought = tuple(LineDraft(product, dice.randint(1, 2)) for product in dice.sample(products, dice.randint(1, 2)))
        with shop.db.write() as session:
            placed = placing.place(session, member, OrderDraft(bought, pays), shop.clock)
            back = [line for line in placed.lines for _ in range(line.units)]
            dice.shuffle(back)
            order_id = placed.order.order_id
            for line in back:
                orders.give_back(session, order_id, line.line, 1, "A reason", shop.clock, member_id=member)
        held -= pays
        assert shop.wallet(member) == (0, held)
    assert held < 1_000
    assert shop.disagreements() == []


def killed(*arguments: object) -> bool:
    """Run a process that should kill itself, and return whether it did."""
    command = [sys.executable, "-m", "tests.night.crashing", *map(str, arguments)]
    return subprocess.run(command, env=os.environ, check=False).returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_request_whose_process_is_killed_is_done_once(shop: Shop, database_url: str) -> None:
    """Killed before the commit, the request did nothing; killed after it, a retry gets the stored answer."""
    # Trial 5
    member = shop.with_points(100)
    before = shop.counts()
    assert killed("redeem", database_url, shop.clock.now(), "drawn", member, 30)
    assert (shop.counts(), shop.wallet(member)) == (before, (0, 100))
    assert killed("redeem", database_url, shop.clock.now(), "committed", member, 30)
    after = shop.counts()
    assert shop.wallet(member) == (0, 70)
    answer = once(shop.db, shop.clock, member, 30)
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (201, "true")
    assert (shop.counts(), shop.wallet(member), shop.disagreements()) == (after, (0, 70), [])


@pytest.mark.slow
def test_a_night_that_is_killed_leaves_whole_batches_and_is_finished_by_the_next(shop: Shop, database_url: str) -> None:
    """The process is killed once while it confirms lots, and once while it expires lots."""
    # Trial 11
    shop.program(expire_after_days=5)
    members: list[UUID] = shop.members(4)
    for member in members:
        shop.order(member, *[(shop.product(return_window_days=days), 1) for days in (1, 2, 9)])
    shop.tomorrow(9)
    assert killed("night", database_url, shop.clock.now(), "confirm")
    with shop.db.read() as session:  # as written: what is shown counts what is due whether it is written or not
        assert (session.value("SELECT sum(available) FROM wallets"), shop.disagreements()) == (15, [])
    assert [shop.wallet(member) for member in members] == [(0, 5)] * 4
    assert killed("night", database_url, shop.clock.now(), "expire")
    assert shop.disagreements() == []
    assert 0 < shop.balance("breakage") < 40
    report = shop.night()
    assert (report.confirmed_lots, report.expired_points) == (4, 40 - 15)
    assert [shop.wallet(member) for member in members] == [(0, 5)] * 4
    assert (shop.balance("breakage"), shop.disagreements()) == (40, [])
