"""Tests that no sequence of buying, returning, cancelling and redeeming gains more points than the money paid earns."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from random import Random
from uuid import UUID

import pytest

from app.earning.calculation import grants
from app.earning.earners import Earner, Purchase, Scope, Stacking
from app.earning.rules import Method, Rule
from app.errors import RewardsError
from app.ids import new_id
from app.money import divide
from app.offers.models import Bonus, Earning, Offer, Promotion, Subscription, Voucher
from app.orders.models import Placed
from app.program.models import EarningBase, ReturnPolicy
from app.wallet.models import Redemption
from tests.earning.test_earning import NOW, THING
from tests.shop import Shop

CYCLES = 10_000


def any_earner(dice: Random) -> Earner:
    """Return a random rule or offer, of any method and stacking."""
    stacking, amount = dice.choice(list(Stacking)), dice.choice([1, 3, 7, 50, 900])
    offers: list[Earning] = [
        Bonus(points=amount, stacking=stacking),
        Promotion(percent=100 + amount, stacking=stacking),
        Voucher(code="CODE", uses=1, percent=100 + amount),
        Subscription(points=1, percent=100 + amount),
    ]
    if dice.random() < 0.5:
        return dice.choice(offers).earner(Offer(new_id(), "An offer", "", NOW, NOW + timedelta(1), Promotion(), None))
    method = dice.choice(list(Method))
    rule = Rule(new_id(), "A rule", Scope.EVERYTHING, "", method, amount + 100, stacking=stacking)
    return rule.earner(dice.choice([1, 50, 100, 1_000]), dice.choice([1, 100, 1_000]))


@dataclass
class Account:
    """A simulated member's points; `bought` is what the money paid earns exactly, plus half a point per line."""

    points: int = 0
    spent: int = 0
    bought: Fraction = Fraction()
    kept: list[tuple[int, int]] = field(default_factory=list)

    def buy(self, dice: Random, earners: list[Earner], base: EarningBase) -> None:
        gross, units = dice.randint(0, 500), dice.randint(1, 5)
        discount = gross * dice.choice([0, 0, 20, 100]) // 100
        net = gross - discount
        paid = min(max(self.points, 0), dice.choice([0, net // 2, net]))
        part, alone = (
            Purchase.of(1, THING, units, gross_minor=gross, discount_minor=discount, points_minor=points, base=base)
            for points in (paid, 0)
        )
        given = sum(grant.points for grant in grants(part, earners))
        whole = sum((grant.exact for grant in grants(alone, earners)), Fraction())
        self.bought += whole * (net - paid) / net + Fraction(1, 2) if net > paid else 0
        self.points += given - paid
        self.spent += paid
        self.kept.append((units, given))

    def give_back(self, dice: Random, policy: ReturnPolicy) -> None:
        """Simulate a return of some units: subtract their points, below zero only if the return policy allows debts."""
        units, given = self.kept.pop(dice.randrange(len(self.kept)))
        due = divide(given * dice.randint(1, units), units)
        self.points -= due if policy is ReturnPolicy.NEGATIVE else min(due, self.points)


def test_no_cycle_of_the_pure_rules_gives_more_points_than_money_bought() -> None:
    dice = Random(35)
    for _ in range(CYCLES):
        earners = [any_earner(dice) for _ in range(dice.randint(1, 4))]
        base, policy, account = dice.choice(list(EarningBase)), dice.choice(list(ReturnPolicy)), Account()
        assert account.points + account.spent <= account.bought
        for _ in range(dice.randint(2, 6)):
            if account.kept and dice.random() < 0.25:
                account.give_back(dice, policy)
            else:
                account.buy(dice, earners, base)
            assert account.points + account.spent <= account.bought


@dataclass
class Cycles:
    """Random orders, returns and redemptions of a member; `bought` is the most points that the money paid can earn."""

    shop: Shop
    dice: Random
    products: list[UUID]
    member: UUID
    bought: Fraction = Fraction()
    orders: list[Placed] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)

    def buy(self) -> None:
        lines = [
            (product, self.dice.randint(1, 3)) for product in self.dice.sample(self.products, self.dice.randint(1, 3))
        ]
        whole = self.shop.quote(self.member, *lines)
        share = self.dice.choice([0, 0, 50, 100])
        points = min(self.shop.wallet(self.member)[1], whole.order.paid_minor * share // 100)
        placed = self.shop.order(self.member, *lines, pay_points=points)
        for line in placed.lines:
            net = line.paid_minor + line.points_minor
            self.bought += Fraction(whole.earned[line.line] * line.paid_minor, net) + 1 if line.paid_minor else 0
        if not placed.order.paid_minor:
            assert placed.lots == []
        self.orders.append(placed)

    def give_back(self) -> None:
        placed = self.dice.choice(self.orders)
        line = self.dice.choice(placed.lines)
        self.shop.give_back(placed, self.dice.randint(1, line.units), line.line, line.vendor_id)

    def redeem(self) -> None:
        points = self.dice.randint(1, self.shop.wallet(self.member)[1] or 1)
        self.redemptions.append(self.shop.cash_back(self.member, points))

    def undo(self) -> None:
        self.shop.cancel_redemption(self.redemptions.pop())

    def night(self) -> None:
        self.shop.tomorrow()
        self.shop.night()

    def held(self) -> int:
        """Return the member's points, plus the points of redemptions that were not cancelled."""
        with self.shop.db.read() as session:
            spent = session.value(
                """SELECT coalesce(sum(points), 0)::bigint FROM redemptions
                   WHERE member_id = %s AND state <> 'cancelled' AND kind <> 'clawback'""",
                (self.member,),
            )
        return sum(self.shop.wallet(self.member)) + int(spent)


@pytest.mark.parametrize("policy", list(ReturnPolicy))
@pytest.mark.parametrize("base", list(EarningBase))
def test_no_cycle_in_a_shop_gives_more_points_than_money_bought(
    shop: Shop, policy: ReturnPolicy, base: EarningBase
) -> None:
    shop.program(return_policy=policy, earning_base=base, expire_after_days=9)
    vendor = shop.vendor()
    products = [
        shop.product(vendor, price_minor=price, return_window_days=days, brand=brand)
        for price, days, brand in [(0, 0, "Oak"), (7, 0, "Oak"), (333, 2, "Ash"), (500, 0, "Elm"), (1_999, 1, "Oak")]
    ]
    shop.rule(40, Method.FIXED, Scope.BRAND, "Oak")
    shop.rule(900, Method.CASH_BACK, Scope.BRAND, "Ash", stacking=Stacking.BEST_OF)
    shop.rule(150, Method.MULTIPLIER, stacking=Stacking.ADDS)
    shop.offer(Bonus(points=11, stacking=Stacking.ADDS))
    shop.offer(Promotion(percent=300))
    cycles = Cycles(shop, Random(f"{policy} {base}"), products, shop.member())
    for _ in range(100):
        with suppress(RewardsError, IndexError):
            cycles.dice.choice([cycles.buy, cycles.buy, cycles.give_back, cycles.redeem, cycles.undo, cycles.night])()
        assert cycles.held() <= cycles.bought
    assert len(cycles.orders) > 10
    assert shop.disagreements() == []
