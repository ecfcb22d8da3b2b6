"""Tests that a wallet shows the same balance on each date, however late the nightly calculation is.

One shop's nightly calculation is late, repeated, split over days or missing; another's is always on time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.accounts import statements
from app.accounts.statements_models import Year
from app.db import Database
from app.errors import RewardsError
from app.offers import outlook, redemption
from app.offers.models import Item, Subscription
from app.orders.models import Placed
from app.program.models import ReturnPolicy
from app.settings import Settings
from app.wallet.models import Lot, LotState, Redemption
from tests.conftest import Fresh, SettableClock
from tests.shop import Shop

BEGIN = datetime(2026, 12, 18, 15, tzinfo=UTC)
DAYS = 24

# ── trial 36 ────────────────────────────────────────────────────────────────────────────────────────────────────────

ACTION = st.one_of(
    st.tuples(st.just("buy"), st.integers(0, 2), st.integers(20, 900)),
    st.tuples(st.just("buy with points"), st.integers(0, 2), st.integers(1, 100)),
    st.tuples(st.just("return"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("spend"), st.just(0), st.integers(1, 100)),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("subscribe"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("unsubscribe"), st.integers(0, 1), st.just(0)),
)
NIGHT = st.sampled_from(["none", "none", "on time", "after shopping", "twice", "up to yesterday"])
WINDOWS = (0, 1, 4)

Action = tuple[str, int, int]


@dataclass
class Life:
    """A member in a shop of their own, and what the API showed the member on each day."""

    shop: Shop
    policy: ReturnPolicy
    orders: list[Placed] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shop.program(expire_after_days=6, return_policy=self.policy)
        self.member = self.shop.member()
        self.vendor = self.shop.vendor()
        self.clubs = [
            self.shop.offer(Subscription(points=points, grace_days=days)) for points, days in ((9, 3), (4, 0))
        ]

    def live(self, days: Sequence[Sequence[Action]], nights: Sequence[str]) -> None:
        for actions, night in zip(days, nights, strict=True):
            self.shop.tomorrow()
            if night in ("on time", "twice"):
                self.shop.night()
            if night == "up to yesterday":
                self.shop.night((self.shop.clock.now() - timedelta(days=1)).date())
            self.look()
            for action in actions:
                try:
                    self.act(*action)
                except RewardsError as refused:
                    self.seen.append(type(refused))
                self.look()
            if night in ("after shopping", "twice"):
                self.shop.night()
                self.look()
                assert self.seen.pop() == self.seen[-1]  # whoever reads meets no difference

    def act(self, action: str, which: int, amount: int) -> None:
        shop, available = self.shop, self.wallet()[1]
        match action:
            case "buy":
                product = shop.product(self.vendor, price_minor=amount, return_window_days=WINDOWS[which])
                self.orders.append(shop.order(self.member, (product, 2)))
            case "buy with points":
                product = shop.product(self.vendor, price_minor=2_000, return_window_days=WINDOWS[which])
                self.orders.append(shop.order(self.member, (product, 1), pay_points=available * amount // 100))
            case "return" if self.orders:
                shop.give_back(self.orders[which % len(self.orders)], 1, vendor_id=self.vendor)
            case "spend" if points := available * amount // 100:
                self.redemptions.append(shop.cash_back(self.member, points))
            case "cancel" if self.redemptions:
                shop.cancel_redemption(self.redemptions[which % len(self.redemptions)])
            case "subscribe":
                shop.subscribe(self.member, self.clubs[which])
            case "unsubscribe" if subscribed := shop.subscriptions(self.member):
                shop.cancel(subscribed[which % len(subscribed)])

    def wallet(self) -> tuple[int, int, int]:
        with self.shop.db.read() as session:
            held = outlook.wallet(session, self.member, self.shop.clock)
        return held.pending, held.available, held.owed

    def look(self) -> None:
        lots: dict[object, list[int]] = {}
        for lot in self.shop.lots(self.member):  # of one order's lots with one expiry, either may be drawn from first
            key = (lot.earned_at, lot.expires_on, lot.state is LotState.PENDING)
            points, unspent = lots.get(key, [0, 0])
            lots[key] = [points + lot.points, unspent + lot.unspent]
        year = statement(self.shop, self.member, self.shop.clock.now().year)
        self.seen.append((self.shop.clock.now(), self.wallet(), lots, year))


def statement(shop: Shop, member_id: UUID, year: int) -> Year:
    """Return a member's statement of a year without ids, which differ between the compared shops."""
    with shop.db.snapshot() as session:
        summary = statements.of_member(session, member_id, year, shop.clock)
    months = []
    for month in summary.months:
        entries = sorted((replace(entry, reference=None) for entry in month.entries), key=str)
        months.append(replace(month, entries=entries))
    return replace(summary, member_id=UUID(int=0), months=months)


@pytest.fixture
def another(fresh: Fresh) -> Callable[[], AbstractContextManager[Shop]]:
    @contextmanager
    def shop() -> Iterator[Shop]:
        with fresh("template") as url:
            db = Database.open(Settings(database_url=url, pool_size=2))
            try:
                yield Shop(db, SettableClock(BEGIN))
            finally:
                db.close()

    return shop


@settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)
@given(
    st.lists(st.lists(ACTION, max_size=2), min_size=16, max_size=DAYS),
    st.lists(NIGHT, min_size=DAYS, max_size=DAYS),
    st.sampled_from(ReturnPolicy),
)
def test_a_wallet_reads_the_same_at_every_date_whenever_the_night_came(
    another: Callable[[], AbstractContextManager[Shop]],
    days: list[list[Action]],
    nights: list[str],
    policy: ReturnPolicy,
) -> None:
    with another() as on_time, another() as late:
        punctual, other = Life(on_time, policy), Life(late, policy)
        punctual.live(days, ["on time"] * len(days))
        other.live(days, nights[: len(days)])
        assert other.seen == punctual.seen
        for life in (punctual, other):
            assert life.shop.disagreements() == []
            life.shop.night()
        assert [statement(late, other.member, year) for year in (2026, 2027)] == [
            statement(on_time, punctual.member, year) for year in (2026, 2027)
        ]
        assert [club.state for club in late.subscriptions(other.member)] == [
            club.state for club in on_time.subscriptions(punctual.member)
        ]
        assert other.wallet() == punctual.wallet()
        assert late.disagreements() == on_time.disagreements() == []


CLUBS = {
    "renewed": (Subscription(points=20), 365),
    "renewed though it has grace": (Subscription(points=20, grace_days=3), 365),
    "too dear": (Subscription(points=90), 365),
    "too dear, with grace": (Subscription(points=90, grace_days=9), 365),
    "over with its offer": (Subscription(points=20), 20),
}


@pytest.mark.parametrize("days", [30, 34, 70])
@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("club", CLUBS)
def test_the_night_writes_what_was_read_while_it_was_late(shop: Shop, club: str, cancelled: bool, days: int) -> None:
    shop.program(expire_after_days=60)
    member = shop.with_points(100)
    begun = shop.subscribe(member, shop.offer(*CLUBS[club][:1], days=CLUBS[club][1]))
    if cancelled:
        shop.cancel(begun)
    for window in (2, 25):
        shop.order(member, (shop.product(price_minor=600, return_window_days=window), 1))
    shop.tomorrow(days)
    late, clubs_late = _read(shop, member), _clubs(shop, member)
    alone = {lot.lot_id: _lot(shop, member, lot.lot_id) for lot in shop.lots(member)}
    assert {lot_id: lot.state for lot_id, lot in alone.items()} == late[2]
    shop.night()
    assert _read(shop, member) == late
    assert [(row.state, row.paid_until, row.started_on) for row in shop.subscriptions(member)] == clubs_late
    assert shop.disagreements() == []


def _read(shop: Shop, member_id: UUID) -> tuple[object, ...]:
    lots = shop.lots(member_id)
    whole = [(lot.lot_id, lot.points, lot.unspent, lot.expires_on) for lot in lots]
    return shop.wallet(member_id), whole, {lot.lot_id: lot.state for lot in lots}, statement(shop, member_id, 2026)


def _lot(shop: Shop, member_id: UUID, lot_id: UUID) -> Lot:
    with shop.db.read() as session:
        return outlook.lot(session, member_id, lot_id, shop.clock)


def _clubs(shop: Shop, member_id: UUID) -> list[tuple[object, ...]]:
    """Return the state and dates that a member's subscriptions will have after the nightly calculation."""
    with shop.db.read() as session:
        foreseen = outlook.read(session, member_id, shop.clock.now())
    assert foreseen
    return [
        (row.state, row.paid_until, row.started_on) for row in foreseen.subscribed() or shop.subscriptions(member_id)
    ]


def test_an_item_is_had_for_points_that_are_due_though_the_night_is_late(shop: Shop) -> None:
    member = shop.member()
    shop.order(member, (shop.product(price_minor=2_000, return_window_days=1), 1))
    shop.tomorrow()
    item = shop.offer(Item(points=100), on_hand=1)
    with shop.db.write() as session:
        redemption.item(session, member, item, shop.clock)
    assert (shop.wallet(member), shop.disagreements()) == ((0, 0), [])
