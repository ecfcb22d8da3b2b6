"""Tests that a simulation equals reality: two shops live the same days, one of them with the simulated offer."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from app import logins
from app.campaigns import life, offers, rules
from app.campaigns.life import Deed, Kind
from app.db import Database
from app.earning.earners import OverCap, Scope, Stacking
from app.earning.lifecycle import State
from app.earning.rules import Method, Rule
from app.errors import RewardsError
from app.ids import new_id
from app.offers.models import Bonus, Earning, Offer, Promotion, Subscription, Terms, Voucher
from app.orders.models import Placed
from app.program.models import EarningBase, ReturnPolicy
from app.settings import Settings
from app.simulation.models import Period, Simulation
from tests.conftest import Fresh, SettableClock, logging_in
from tests.shop import AUTHOR, Shop

BEGIN = datetime(2026, 3, 2, 15, tzinfo=UTC)
FIRST_RULE = UUID("00000000-0000-7000-8000-000000000001")
DAYS = 6
CAPS: dict[str, Any] = {"cap_member": 90, "cap_member_day": 40, "budget": 230}
SUBJECTS: dict[str, Any] = {
    "promotion": Promotion(percent=300),
    "promotion of a brand": Promotion(percent=150, scope=Scope.BRAND, target="Oak"),
    "promotion that adds, with caps": Promotion(percent=250, stacking=Stacking.ADDS, **CAPS),
    "promotion that refuses past its caps": Promotion(percent=400, over_cap=OverCap.REFUSE, **CAPS),
    "bonus for free lines too": Bonus(points=3, stacking=Stacking.ADDS, when_free=True),
    "bonus that is exclusive": Bonus(points=2, stacking=Stacking.EXCLUSIVE, budget=150),
    "rule of a brand": (Method.RATE, 9, Scope.BRAND, "Oak", {}),
    "rule by the unit, with caps": (Method.FIXED, 4, Scope.EVERYTHING, "", {"stacking": Stacking.ADDS, **CAPS}),
    "rule that is exclusive": (Method.CASH_BACK, 800, Scope.EVERYTHING, "", {"stacking": Stacking.EXCLUSIVE}),
    "rule that multiplies": (Method.MULTIPLIER, 170, Scope.EVERYTHING, "", {"stacking": Stacking.BEST_OF}),
}


@dataclass
class Twins:
    """Two shops with the same vendors, products, members and days, without and with the simulated offer; ids differ."""

    without: Shop
    beside: Shop

    def __iter__(self) -> Iterator[Shop]:
        return iter((self.without, self.beside))


@pytest.fixture
def twins(shop: Shop, fresh: Fresh, settings: Settings) -> Iterator[Twins]:
    with fresh("template") as url:
        db = Database.open(settings.model_copy(update={"database_url": logging_in(url, logins.SERVICES)}))
        try:
            yield Twins(shop, Shop(db, SettableClock(BEGIN)))
        finally:
            db.close()


def test_every_kind_of_offer_and_every_method_is_tried_on_twins() -> None:
    """A voucher and a subscription are not simulated here, but one member uses them beside the simulated offer."""
    kinds = {type(terms) for terms in SUBJECTS.values() if isinstance(terms, Earning)} | {Voucher, Subscription}
    ours = [terms for terms in Terms.KINDS.values() if terms.__module__ == Promotion.__module__]
    assert kinds == {terms for terms in ours if issubclass(terms, Earning)}
    assert {terms[0] for terms in SUBJECTS.values() if isinstance(terms, tuple)} == set(Method)


def subject_of(name: str) -> tuple[Kind[Any], Any]:
    terms = SUBJECTS[name]
    if isinstance(terms, tuple):
        method, amount, scope, target, more = terms
        return rules.RULES, Rule(new_id(), name, scope, target, method, amount, **more)
    dates = (BEGIN, datetime(2027, 1, 1, tzinfo=UTC))
    return offers.OFFERS, Offer(new_id(), name, "", *dates, terms, None)


@dataclass
class Script:
    """For each step, which alternative succeeded in the first shop; the second tries it, then later ones.

    For example, a voucher that adds nothing beside the simulated offer is refused in one shop only.
    """

    ways: list[int] = field(default_factory=list)
    again: Iterator[int] | None = None

    def first(self, *ways: Callable[[], Any]) -> Any:
        begin = next(self.again) if self.again else 0
        for number, way in list(enumerate(ways))[begin:]:
            with suppress(RewardsError):
                result = way()
                self.ways.append(number)
                return result
        raise AssertionError("no way went through")


def live(shop: Shop, seed: int, begin: Callable[[Shop], None], script: Script) -> dict[UUID, str]:
    """Let a shop live some random days of orders, returns and changed offers, the same for each `seed`.

    Returns the names of the rules and offers, by id.
    """
    dice = random.Random(seed)
    shop.program(return_policy=dice.choice(list(ReturnPolicy)), earning_base=dice.choice(list(EarningBase)))
    products = [
        shop.product(brand=brand, price_minor=price, return_window_days=window, department=department)
        for brand, price, window, department in (
            ("Oak", 330, 0, "GROCERY"),
            ("Oak", 1_250, 14, "GROCERY"),
            ("Millrace", 75, 2, "GARDEN"),
            ("Millrace", 990, 14, "GARDEN"),
            ("Millrace", 0, 14, "GARDEN"),
        )
    ]
    begin(shop)
    members = shop.members(4)
    for member in members:  # so that what they pay with points never depends on what is tried
        shop.correct(member, 100)
    subscription = shop.offer(Subscription(points=1, percent=180, grace_days=3))
    voucher = shop.offer(Voucher(code="TWIN", uses=5, uses_per_member=2, percent=500))
    promotion = shop.offer(Promotion(percent=130, scope=Scope.BRAND, target="Millrace"))
    bonus = shop.offer(Bonus(points=1, stacking=Stacking.ADDS, budget=40, cap_member_day=6))
    names = {
        subscription: "subscription",
        voucher: "voucher",
        promotion: "promotion",
        bonus: "bonus",
    }
    placed: list[Placed] = []
    for day in range(DAYS):
        for _ in range(9):
            shop.clock.advance(minutes=dice.randrange(1, 60))
            lines = [(product, dice.randrange(1, 5)) for product in dice.sample(products, dice.randrange(1, 4))]
            points, code = dice.choice((0, 0, 1, 2)), dice.choice((None, None, None, "TWIN"))
            buy = partial(shop.order, dice.choice(members), *lines)
            placed.append(
                script.first(partial(buy, pay_points=points, voucher=code), partial(buy, pay_points=points), buy)
            )
            shop.clock.advance(seconds=1)
            back, units = dice.choice(placed), dice.randrange(1, 3)
            script.first(partial(shop.give_back, back, units, dice.randrange(1, len(back.lines) + 1)), lambda: None)
        shop.clock.advance(seconds=1)
        if day == 1:
            shop.subscribe(members[0], subscription)
        if day in (2, 3):
            move(shop, promotion, State.PAUSED if day == 2 else State.RUNNING)
        if day == 4:
            names[shop.rule(7, scope=Scope.BRAND, target="Millrace").rule_id] = "rule"
            move(shop, promotion, State.ENDED)
        shop.tomorrow()
        shop.night()
    return names


def idle(_: Shop) -> None:
    """Start no offer: the shop without the simulated one."""


def move(shop: Shop, offer_id: UUID, to: State) -> None:
    with shop.db.write() as session:
        life.move(session, offers.OFFERS, offer_id, to, Deed(AUTHOR, "A test", shop.clock))


def start(kind: Kind[Any], subject: Any) -> Callable[[Shop], None]:
    def begin(shop: Shop) -> None:
        with shop.db.write() as session:
            life.add(session, kind, subject, Deed(AUTHOR, "", shop.clock))

    return begin


def simulate(shop: Shop, kind: Kind[Any], subject: Any) -> Simulation:
    with shop.db.snapshot() as session:
        return life.simulate(session, kind, subject, Period.of_weeks(2, shop.clock.now().date()), None)


@dataclass(frozen=True)
class Books:
    """The points that each rule or offer gave, according to the ledger.

    `came_back` of the simulated offer's points were taken back by returns.
    """

    points: Counter[str]
    came_back: int

    @classmethod
    def of(cls, shop: Shop, names: dict[UUID, str], mine: UUID) -> "Books":
        points: Counter[str] = Counter()
        with shop.db.read() as session:
            for earner, gift in session.rows(
                """SELECT (lot ->> 'rule')::uuid, (lot ->> 'points')::bigint FROM journal_revisions,
                          json_array_elements(data -> 'lots') AS lot WHERE table_name = 'orders'"""
            ):
                points[names[earner]] += gift
            came_back = session.value(
                """SELECT coalesce(sum(recovered + short + CASE WHEN state IN ('removed', 'clawed_back')
                          THEN points ELSE 0 END), 0)::bigint FROM lots WHERE rule_id = %s""",
                (mine,),
            )
        return cls(points, came_back)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "name"), list(enumerate(SUBJECTS)))
def test_what_a_simulation_says_is_what_would_have_been_earned_to_the_point(twins: Twins, name: str, seed: int) -> None:
    kind, subject = subject_of(name)
    own_names = {subject.key: "mine", FIRST_RULE: "the first"}
    script = Script()
    names = [live(twins.without, seed, idle, script)]
    script.again = iter(list(script.ways))
    names.append(live(twins.beside, seed, start(kind, subject), script))
    simulation = simulate(twins.without, kind, subject)
    without, beside = (
        Books.of(shop, {**known, **own_names}, subject.key) for shop, known in zip(twins, names, strict=True)
    )
    assert simulation.gift.points == beside.points["mine"] > 0
    assert simulation.gift.came_back == beside.came_back
    assert simulation.net_points == beside.points.total() - without.points.total()
    for shares in (simulation.by_day, simulation.by_department, simulation.by_vendor):
        assert sum(share.points for share in shares) == simulation.gift.points
    changed = {{**names[0], **own_names}[row.earner_id]: row.beside - row.without for row in simulation.replaced}
    others = (without.points | beside.points).keys() - {"mine"}
    differences = {key: beside.points[key] - without.points[key] for key in others}
    assert changed == {key: difference for key, difference in differences.items() if difference}
