"""Tests that a member's lots equal a small pure model after each random step."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.orders.models import Placed
from app.wallet.models import LotState
from tests.shop import Shop

WINDOW, LIFE = 2, 3


@dataclass
class ModelLot:
    points: int
    bought: int
    matures: date
    state: str = "pending"
    back: int = 0
    unspent: int = 0
    spent: int = 0
    recovered: int = 0

    @property
    def expires(self) -> date:
        return self.matures + timedelta(days=LIFE)

    def due(self, units: int) -> int:
        """Return how many points of the model's lot a return of these units takes; returns in turn add up exactly."""
        before, after = (round(self.points * back / self.bought) for back in (self.back, self.back + units))
        return after - before


@dataclass
class Model:
    lots: list[ModelLot] = field(default_factory=list)

    @property
    def wallet(self) -> tuple[int, int]:
        pending = sum(lot.unspent for lot in self.lots if lot.state == "pending")
        return pending, sum(lot.unspent for lot in self.lots if lot.state == "confirmed")

    def buy(self, points: int, units: int, today: date) -> None:
        self.lots.append(ModelLot(points, units, today + timedelta(days=WINDOW), unspent=points))

    def night(self, today: date) -> None:
        for lot in self.lots:
            if lot.state == "pending" and lot.matures <= today:
                lot.state = "confirmed"
            if lot.state == "confirmed" and lot.expires <= today:
                lot.state, lot.unspent = "expired", 0

    def spend(self, points: int) -> None:
        for lot in sorted((lot for lot in self.lots if lot.state == "confirmed"), key=lambda lot: lot.expires):
            drawn = min(points, lot.unspent)
            lot.unspent, lot.spent, points = lot.unspent - drawn, lot.spent + drawn, points - drawn
        assert points == 0

    def give_back(self, lot: ModelLot, units: int) -> int:
        due = lot.due(units)
        lot.back += units
        own = min(due, lot.unspent)
        lot.unspent -= own
        elsewhere = 0
        if lot.state != "pending":
            elsewhere = min(due - own, lot.spent - lot.recovered, self.wallet[1])
            lot.recovered += elsewhere
            self.spend(elsewhere)
        return own + elsewhere


STEP = st.one_of(
    st.tuples(st.just("buy"), st.integers(1, 6), st.integers(7, 240)),
    st.tuples(st.just("return"), st.integers(0, 5), st.integers(1, 3)),
    st.tuples(st.just("spend"), st.integers(1, 100), st.just(0)),
    st.tuples(st.just("night"), st.integers(1, 3), st.just(0)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=4, max_size=14))
def test_any_life_of_a_members_lots_goes_as_the_model_says(shop: Shop, steps: list[tuple[str, int, int]]) -> None:
    shop.program(expire_after_days=LIFE)
    member, model, bought = shop.member(), Model(), list[Placed]()
    assert shop.wallet(member) == model.wallet
    for action, first, second in steps:
        match action:
            case "buy":
                product = shop.product(price_minor=second, return_window_days=WINDOW)
                placed = shop.order(member, (product, first))
                if placed.lots:
                    bought.append(placed)
                    model.buy(placed.lots[0].points, first, placed.order.business_date)
            case "return" if bought:
                place = first % len(bought)
                lot, placed = model.lots[place], bought[place]
                if units := min(second, lot.bought - lot.back):
                    taken = shop.give_back(placed, units, vendor_id=placed.lines[0].vendor_id).points
                    assert taken == model.give_back(lot, units)
            case "spend":
                if points := model.wallet[1] * first // 100:
                    shop.cash_back(member, points)
                    model.spend(points)
            case "night":
                shop.tomorrow(first)
                report = shop.night()
                for day in range(first - 1, -1, -1):
                    model.night(report.business_date - timedelta(days=day))
        assert shop.wallet(member) == model.wallet
        assert shop.disagreements() == []


def test_draws_come_from_what_expires_soonest(shop: Shop) -> None:
    member = shop.member()
    for window in (3, 1, 2):
        shop.order(member, (shop.product(return_window_days=window), 1))
    shop.tomorrow(3)
    shop.night()
    for spent in (1, 2, 3):
        shop.cash_back(member, 5)
        lots = sorted(shop.lots(member), key=lambda lot: lot.matures_on)
        assert [lot.state is LotState.SPENT for lot in lots] == [place < spent for place in range(3)]
        assert all(lot.matures_on < other.matures_on for lot, other in pairwise(lots))
