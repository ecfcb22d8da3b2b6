"""Tests that subscriptions give benefits only for paid periods and one grace, and charge nothing after their end."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import Conflict, NotAllowed, RewardsError
from app.offers import redemption, renewals
from app.offers import settling as settlement
from app.offers.models import Item, Period, Subscription
from app.offers.subscription_states import OVER, SubscriptionState
from app.wallet.models import RedemptionKind
from app.wallet.payments_models import Direction, Payment, PaymentState
from tests.shop import Shop

GRACE_DAYS, PRICE = 3, 500


def club(shop: Shop, days: int = 10_000) -> UUID:
    return shop.offer(Subscription(price_minor=PRICE, grace_days=GRACE_DAYS, percent=200), days=days)


def gives(shop: Shop, member_id: UUID, product_id: UUID) -> bool:
    return len(shop.quote(member_id, (product_id, 1)).lots) == 2


def charges(shop: Shop, member_id: UUID) -> list[Payment]:
    return [row for row in reversed(shop.payments(member_id)) if row.direction is Direction.IN]


def refunds(shop: Shop, member_id: UUID) -> list[Payment]:
    return [row for row in shop.payments(member_id) if row.refund_of]


def sent(shop: Shop, member_id: UUID) -> UUID:
    """Report the member's newest charge as sent, and return its payment id."""
    charge = charges(shop, member_id)[-1]
    return shop.move(charge.payment_id, PaymentState.SENT).payment_id


def states(shop: Shop, member_id: UUID) -> list[str]:
    return [row.state for row in shop.subscriptions(member_id)]


def test_a_charge_that_settles_after_its_subscription_was_cancelled_is_paid_back(shop: Shop) -> None:
    member = shop.member()
    begun = shop.subscribe(member, club(shop))
    charge = sent(shop, member)
    shop.cancel(begun)
    assert shop.move(charge, PaymentState.SETTLED).state is PaymentState.SETTLED
    assert states(shop, member) == [SubscriptionState.ENDED]
    (refund,) = refunds(shop, member)
    assert (refund.refund_of, refund.amount_minor, refund.state) == (charge, PRICE, PaymentState.INSTRUCTED)
    shop.tomorrow(40)
    shop.night()
    assert len(charges(shop, member)) == 1


def test_a_refund_that_fails_is_instructed_anew(shop: Shop) -> None:
    member = shop.member()
    begun = shop.subscribe(member, club(shop))
    charge = sent(shop, member)
    shop.cancel(begun)
    shop.move(charge, PaymentState.SETTLED)
    shop.move(refunds(shop, member)[0].payment_id, PaymentState.FAILED)
    assert [row.state for row in refunds(shop, member)] == [PaymentState.INSTRUCTED, PaymentState.FAILED]


@pytest.mark.parametrize("state", [PaymentState.FAILED, PaymentState.CANCELLED])
def test_money_that_came_in_after_all_is_booked(shop: Shop, state: PaymentState) -> None:
    member = shop.member()
    shop.subscribe(member, club(shop))
    charge = charges(shop, member)[0]
    shop.move(charge.payment_id, state)
    assert shop.move(charge.payment_id, PaymentState.SETTLED).state is PaymentState.SETTLED
    assert states(shop, member) == [SubscriptionState.ACTIVE]


def test_a_charge_that_settles_late_buys_days_to_come_and_renews_nothing(shop: Shop) -> None:
    member, product = shop.member(), shop.product()
    shop.subscribe(member, club(shop))
    charge = sent(shop, member)
    shop.tomorrow(45)
    shop.night()
    assert states(shop, member) == [SubscriptionState.LAPSED]
    shop.move(charge, PaymentState.SETTLED)
    (late,) = shop.subscriptions(member)
    assert (late.state, late.paid_until) == (SubscriptionState.CANCELLED, date(2026, 5, 16))
    assert gives(shop, member, product)
    shop.tomorrow(40)
    shop.night()
    assert (states(shop, member), len(charges(shop, member))) == ([SubscriptionState.ENDED], 1)


def test_an_old_charge_extends_the_subscription_that_runs_meanwhile(shop: Shop) -> None:
    member, offer = shop.member(), club(shop)
    shop.subscribe(member, offer)
    charge = sent(shop, member)
    shop.tomorrow(GRACE_DAYS)
    shop.night()
    shop.subscribe(member, offer)
    shop.move(charge, PaymentState.SETTLED)
    assert states(shop, member) == [SubscriptionState.LAPSED, SubscriptionState.ACTIVE]
    assert [row.state for row in charges(shop, member)] == [PaymentState.SETTLED, PaymentState.CANCELLED]


def test_grace_before_the_first_payment_is_had_once(shop: Shop) -> None:
    member, product, offer = shop.member(), shop.product(), club(shop)
    given = []
    for _ in range(3):
        begun = shop.subscribe(member, offer)
        given.append(gives(shop, member, product))
        shop.cancel(begun)
    assert given == [True, False, False]


@pytest.mark.parametrize(("period", "until"), [(Period.MONTH, date(2026, 4, 4)), (Period.YEAR, date(2027, 3, 4))])
def test_what_waits_for_its_first_payment_begins_when_it_is_paid(shop: Shop, period: Period, until: date) -> None:
    member, product = shop.member(), shop.product()
    terms = Subscription(price_minor=PRICE, grace_days=GRACE_DAYS, percent=200, period=period)
    offer = shop.offer(terms, days=10_000)
    shop.cancel(shop.subscribe(member, offer))
    assert shop.subscribe(member, offer).state is SubscriptionState.WAITING
    shop.tomorrow(2)
    shop.night()
    shop.move(charges(shop, member)[-1].payment_id, PaymentState.SETTLED)
    newest = shop.subscriptions(member)[-1]
    assert (newest.state, newest.started_on, newest.paid_until) == (
        SubscriptionState.ACTIVE,
        date(2026, 3, 4),
        until,
    )
    assert gives(shop, member, product)


def test_a_cancelled_subscription_that_is_resumed_counts_once_and_costs_nothing(shop: Shop) -> None:
    member, product = shop.with_points(100), shop.product()
    offer = shop.offer(Subscription(points=40, percent=200))
    first = shop.subscribe(member, offer)
    for _ in range(3):
        shop.cancel(first)
        assert shop.subscribe(member, offer).subscription_id == first.subscription_id
    assert (shop.wallet(member)[1], len(shop.quote(member, (product, 1)).lots)) == (60, 2)
    with pytest.raises(Conflict, match="already"):
        shop.subscribe(member, offer)


def test_what_only_subscribers_get_is_asked_of_the_date_though_the_night_is_late(shop: Shop) -> None:
    member = shop.with_points(100)
    offer = shop.offer(Subscription(points=40))
    mug = shop.offer(Item(points=10, subscribers_of=offer), on_hand=5)
    shop.cancel(shop.subscribe(member, offer))
    shop.tomorrow(31)
    with shop.db.write() as session, pytest.raises(NotAllowed):
        redemption.item(session, member, mug, shop.clock)
    assert len(shop.order(member, (shop.product(), 1)).lots) == 1


def test_a_late_night_takes_no_benefit_from_who_would_have_renewed(shop: Shop) -> None:
    member, product = shop.with_points(100), shop.product()
    shop.subscribe(member, shop.offer(Subscription(points=40, percent=200)))
    shop.tomorrow(31)
    assert len(shop.order(member, (product, 1)).lots) == 2
    assert shop.wallet(member)[1] == 20
    assert (shop.night().renewed, shop.wallet(member)[1]) == (0, 20)


def test_an_offer_that_has_ended_renews_nothing(shop: Shop) -> None:
    member, product = shop.with_points(100), shop.product()
    shop.subscribe(member, shop.offer(Subscription(points=40, percent=200), days=5))
    shop.tomorrow(30)
    assert gives(shop, member, product)  # what was paid runs out
    shop.tomorrow()
    shop.night()
    assert (states(shop, member), shop.wallet(member)[1]) == ([SubscriptionState.ENDED], 60)
    assert not gives(shop, member, product)


@pytest.mark.parametrize("state", [PaymentState.SETTLED, PaymentState.FAILED])
def test_cash_back_is_fulfilled_by_its_payment_alone(shop: Shop, state: PaymentState) -> None:
    """An administrator can't mark cash back as fulfilled: its payment's result could not be booked any more."""
    member = shop.with_points(50)
    cash = shop.cash_back(member, 50)
    with shop.db.write() as session, pytest.raises(Conflict, match="payment"):
        redemption.fulfil(session, cash.redemption_id)
    assert cash.kind is RedemptionKind.CASH_BACK
    assert shop.move(shop.payments(member)[0].payment_id, state).state is state


STEP = st.tuples(
    st.sampled_from(["subscribe", "subscribe", "cancel", "settle", "settle", "send", "fail", "wait", "erase"]),
    st.integers(0, 3),
    st.integers(1, 40),
)


@dataclass
class Life:
    """A member who may subscribe to an offer; `days` are the days on which the offer gave points."""

    shop: Shop
    member: UUID
    offer: UUID
    product: UUID
    erased: bool = False
    days: set[date] = field(default_factory=set)

    def step(self, action: str, which: int, days: int) -> None:
        """Take a random step of the member's life; a step that is refused changes nothing."""
        moves = {"settle": PaymentState.SETTLED, "send": PaymentState.SENT, "fail": PaymentState.FAILED}
        rows = self.shop.payments(self.member)
        match action:
            case "subscribe" if not self.erased:
                self.shop.subscribe(self.member, self.offer)
            case "cancel":
                self.shop.cancel(self.shop.subscriptions(self.member)[-1])
            case "settle" | "send" | "fail" if rows:
                self.shop.move(rows[which % len(rows)].payment_id, moves[action])
            case "erase" if which == 0:
                with self.shop.db.write() as session:
                    settlement.end_all(session, self.member, self.shop.clock)
                self.erased = True
            case "wait":
                self.wait(days, late=which == 3)

    def wait(self, days: int, *, late: bool) -> None:
        over = all(row.state in (*OVER, SubscriptionState.CANCELLED) for row in self.shop.subscriptions(self.member))
        before = len(charges(self.shop, self.member))
        for _ in range(days):
            self.shop.tomorrow()
            if not late:
                self.shop.night()
            self.look()
        if over:
            assert len(charges(self.shop, self.member)) == before, "charged after the end"

    def look(self) -> None:
        if gives(self.shop, self.member, self.product):
            self.days.add(self.shop.clock.now().date())
            assert not self.erased

    def check(self) -> None:
        settled = [row for row in charges(self.shop, self.member) if row.state is PaymentState.SETTLED]
        back = {row.refund_of for row in refunds(self.shop, self.member)}
        periods = len(settled) - len(back)
        assert periods >= 0
        assert len(self.days) <= 31 * periods + GRACE_DAYS * (1 + periods), (len(self.days), periods)
        gone = [row for row in settled if row.payment_id not in back]
        assert len(gone) == periods


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=5, max_size=14))
def test_any_life_gives_no_more_than_was_paid_and_charges_nothing_after_its_end(
    shop: Shop, steps: list[tuple[str, int, int]]
) -> None:
    life = Life(shop, shop.member(), club(shop), shop.product())
    for action, which, days in steps:
        with suppress(RewardsError, IndexError):
            life.step(action, which, days)
        life.look()
        life.check()


def test_of_several_that_run_the_one_that_renews_counts_else_the_one_that_is_paid_longest(shop: Shop) -> None:
    active = shop.subscribe(shop.member(), club(shop))
    renews = replace(active, state=SubscriptionState.ACTIVE, paid_until=date(2026, 4, 1))
    cancelled = [
        replace(active, state=SubscriptionState.CANCELLED, paid_until=until)
        for until in (date(2027, 1, 1), date(2028, 1, 1), date(2027, 6, 1))
    ]
    over = [replace(active, state=state, paid_until=date(2030, 1, 1)) for state in OVER]
    assert renewals.running([*over, *cancelled, renews]) == renews
    assert renewals.running([*over, *cancelled]) == cancelled[1]
    assert renewals.running(over) is None


def test_an_erased_members_unsent_payouts_are_cancelled_and_their_points_put_back(shop: Shop) -> None:
    member = shop.with_points(100)
    kept = shop.cash_back(member, 30)
    shop.move(shop.payments(member)[0].payment_id, PaymentState.SENT)
    shop.clock.advance(minutes=1)
    shop.cash_back(member, 50)
    with shop.db.write() as session:
        settlement.end_all(session, member, shop.clock)
    states_by_redemption = {row.redemption_id == kept.redemption_id: row.state for row in shop.payments(member)}
    assert states_by_redemption == {True: PaymentState.SENT, False: PaymentState.CANCELLED}
    assert (shop.wallet(member), shop.disagreements()) == ((0, 70), [])
