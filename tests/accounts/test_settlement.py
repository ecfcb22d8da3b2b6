"""Tests of payments, debts, cancelled redemptions, claims for missing points, statements, and reconciliation."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from app.earning.earners import OverCap
from app.ids import new_id
from app.offers.models import Bonus, Item, Subscription
from app.offers.subscription_states import SubscriptionState
from app.program.models import ReturnPolicy
from app.signing import Role
from app.wallet.models import LotState
from app.wallet.payments_models import PaymentState
from tests.conftest import Superuser
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def spent_and_returned(shop: Shop) -> tuple[UUID, UUID]:
    """Return a member and a vendor: the member spent a purchase's points, then returned it, and so owes points."""
    shop.program(return_policy=ReturnPolicy.NEGATIVE)
    member, product = shop.member(), shop.product(price_minor=400, return_window_days=0)
    placed = shop.order(member, (product, 1))
    shop.night()
    shop.cash_back(member, 15)
    vendor = placed.lines[0].vendor_id
    assert shop.give_back(placed, 1, vendor_id=vendor).points == 20
    return member, vendor


def test_a_debt_is_paid_by_what_is_confirmed_next(shop: Shop, caller: Calls) -> None:
    member, vendor = spent_and_returned(shop)
    api = caller(Role.MEMBER, member)
    assert api.get("/wallet").json() == {"pending": 0, "available": 0, "owed": 15}
    assert (shop.balance("vendor_funding"), shop.balance("member_owed")) == (0, -15)
    assert shop.disagreements() == []
    shop.order(member, (shop.product(price_minor=200, return_window_days=0), 1))
    shop.night()
    assert api.get("/wallet").json() == {"pending": 0, "available": 0, "owed": 5}
    shop.order(member, (shop.product(price_minor=200, return_window_days=0), 1))
    shop.night()
    assert api.get("/wallet").json() == {"pending": 0, "available": 5, "owed": 0}
    assert (shop.balance("member_owed"), shop.disagreements()) == (0, [])
    assert vendor


def test_a_cancelled_redemption_gives_points_stock_and_lots_back(shop: Shop, caller: Calls) -> None:
    member = shop.with_points(100)
    offer = shop.offer(Item(points=100), on_hand=1)
    api = caller(Role.MEMBER, member)
    redemption = api.post("/redemptions", {"kind": "item", "offer_id": str(offer)}).json()
    path = f"/redemptions/{redemption['redemption_id']}/cancellation"
    assert caller(Role.MEMBER, shop.member()).post(path, {}).status_code == 404
    assert [lot.state for lot in shop.lots(member)] == [LotState.SPENT]
    answer = api.post(path, {})
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert (shop.wallet(member), [lot.unspent for lot in shop.lots(member)]) == ((0, 100), [100])
    assert api.post(path, {}).status_code == 409
    again = api.post("/redemptions", {"kind": "item", "offer_id": str(offer)}).json()
    admin = caller(Role.ADMIN, new_id())
    assert admin.post(f"/redemptions/{again['redemption_id']}/fulfilment", {}).json()["state"] == "fulfilled"
    assert api.post(f"/redemptions/{again['redemption_id']}/cancellation", {}).status_code == 409
    assert shop.disagreements() == []


def test_cancelled_points_that_are_past_their_day_expire_at_once(shop: Shop) -> None:
    shop.program(expire_after_days=5)
    member = shop.with_points(50)
    redemption = shop.cash_back(member, 50)
    shop.tomorrow(6)
    shop.night()
    shop.move(shop.payments(member)[0].payment_id, PaymentState.FAILED)
    assert (shop.wallet(member), shop.balance("breakage"), shop.disagreements()) == ((0, 0), 50, [])
    assert shop.night().expired_points == 0
    assert redemption.points == 50


def test_cash_back_is_fulfilled_by_its_payment_or_comes_back(shop: Shop, caller: Calls) -> None:
    member = shop.with_points(100)
    api, admin = caller(Role.MEMBER, member), caller(Role.ADMIN, new_id())
    paid, failed = (api.post("/redemptions", {"kind": "cash_back", "points": points}).json() for points in (30, 20))
    waiting = admin.get("/payments").json()["payments"]
    assert [(payment["amount_minor"], payment["direction"]) for payment in waiting] == [(30, "out"), (20, "out")]
    first, second = (f"/payments/{payment['payment_id']}/transitions" for payment in waiting)
    assert admin.post(first, {"to": "sent"}).json()["state"] == "sent"
    assert api.post(f"/redemptions/{paid['redemption_id']}/cancellation", {}).status_code == 409
    assert admin.post(first, {"to": "settled"}).status_code == 200
    assert admin.post(first, {"to": "failed"}).status_code == 409
    assert admin.post(second, {"to": "failed"}).status_code == 200
    states = {
        redemption["redemption_id"]: redemption["state"] for redemption in api.get("/redemptions").json()["redemptions"]
    }
    assert states == {paid["redemption_id"]: "fulfilled", failed["redemption_id"]: "cancelled"}
    assert [payment["state"] for payment in api.get("/wallet/payments").json()["payments"]] == ["failed", "settled"]
    assert (shop.wallet(member), shop.disagreements()) == ((0, 70), [])


def test_a_subscription_in_money_runs_in_grace_until_its_charge_settles(shop: Shop) -> None:
    member, product = shop.member(), shop.product()
    club = shop.offer(Subscription(price_minor=499, grace_days=3, percent=200))
    assert shop.subscribe(member, club).state is SubscriptionState.GRACE
    assert len(shop.order(member, (product, 1)).lots) == 2
    (charge,) = shop.payments(member)
    shop.move(charge.payment_id, PaymentState.SETTLED)
    (running,) = shop.subscriptions(member)
    assert (running.state, running.paid_until) == (SubscriptionState.ACTIVE, date(2026, 4, 2))
    shop.tomorrow(31)
    shop.night()
    assert [subscription.state for subscription in shop.subscriptions(member)] == [SubscriptionState.GRACE]
    assert [payment.state for payment in shop.payments(member)] == [PaymentState.INSTRUCTED, PaymentState.SETTLED]
    assert len(shop.order(member, (product, 1)).lots) == 2
    shop.tomorrow(3)
    assert len(shop.order(member, (product, 1)).lots) == 1
    assert [subscription.state for subscription in shop.subscriptions(member)] == [SubscriptionState.LAPSED]
    assert shop.night().lapsed == 0  # the order did what was due
    assert shop.payments(member)[0].state is PaymentState.CANCELLED


def test_a_subscription_in_points_has_its_days_of_grace(shop: Shop) -> None:
    member = shop.with_points(40)
    shop.subscribe(member, shop.offer(Subscription(points=40, grace_days=2)))
    shop.tomorrow(31)
    assert shop.night().lapsed == 0
    shop.with_points(40, member_id=member)
    shop.tomorrow()
    shop.night()
    (running,) = shop.subscriptions(member)
    assert (running.state, running.paid_until) == (SubscriptionState.ACTIVE, date(2026, 5, 2))
    assert shop.wallet(member)[1] == 20  # what the subscription added to the 40 while it was in grace


def test_an_accepted_claim_earns_under_a_rule_of_its_own(shop: Shop, caller: Calls) -> None:
    member = shop.member()
    placed = shop.order(member, (shop.product(return_window_days=2), 3))
    api, admin = caller(Role.MEMBER, member), caller(Role.ADMIN, new_id())
    body = {"order_id": str(placed.order.order_id), "line": 1, "evidence": "It said double."}
    answer = api.post("/claims", body)
    assert (answer.status_code, answer.json()["state"]) == (201, "open")
    assert api.post("/claims", body).status_code == 409
    assert caller(Role.MEMBER, shop.member()).post("/claims", body).status_code == 404
    assert [claim["claim_id"] for claim in admin.get("/claims").json()["claims"]] == [answer.json()["claim_id"]]
    path = f"/claims/{answer.json()['claim_id']}/decision"
    decided = admin.post(path, {"points": 15, "reason": "It did."}).json()
    assert (decided["state"], shop.wallet(member)) == ("accepted", (30, 0))
    assert admin.post(path, {"reason": "No."}).status_code == 409
    assert journaled(shop, decided["claim_id"]) == {
        "claim_id": answer.json()["claim_id"],
        "member_id": str(member),
        "order_id": str(placed.order.order_id),
        "line": 1,
        "evidence": "It said double.",
        "state": "accepted",
        "reason": "It did.",
        "lot_id": decided["lot_id"],
        "opened_at": decided["opened_at"],
        "decided_at": decided["decided_at"],
        "points": 15,
        "vendor_id": str(placed.lines[0].vendor_id),
    }
    lot = api.get(f"/wallet/lots/{decided['lot_id']}").json()
    assert (lot["points"], lot["units"], lot["unspent"], lot["state"]) == (15, 3, 15, "pending")
    assert lot["explanation"] == {
        "rule": "Missing reward, claimed",
        "gives": "15 as decided: It did.",
        "claim": answer.json()["claim_id"],
        "base_minor": 300,
        "units": 3,
        "points": 15,
        "return_window_days": 2,
        "window_ends_on": "2026-03-04",
    }
    assert shop.give_back(placed, 1).points == 10  # 5 of the purchase's, 5 of the claim's
    shop.tomorrow(2)
    shop.night()
    assert (shop.wallet(member), shop.disagreements()) == ((0, 20), [])
    assert api.get("/wallet/claims").json()["claims"][0]["reason"] == "It did."


def journaled(shop: Shop, claim_id: str) -> dict[str, Any]:
    """Return the newest revision of a claim in the ledger."""
    with shop.db.read() as session:
        return dict(
            session.value(
                """SELECT data FROM journal_revisions WHERE table_name = 'claims' AND document_id = %s
                   ORDER BY revision_id DESC LIMIT 1""",
                (claim_id,),
            )
        )


def test_a_claim_accepted_after_its_window_can_be_spent_at_once(shop: Shop, caller: Calls) -> None:
    member = shop.member()
    placed = shop.order(member, (shop.product(return_window_days=2), 3))
    body = {"order_id": str(placed.order.order_id), "line": 1, "evidence": "It said double."}
    claim = caller(Role.MEMBER, member).post("/claims", body).json()["claim_id"]
    shop.tomorrow(2)
    decision = {"points": 15, "reason": "It did."}
    caller(Role.ADMIN, new_id()).post(f"/claims/{claim}/decision", decision)
    with shop.db.read() as session:
        written = session.value("SELECT available FROM wallets WHERE member_id = %s", (member,))
    assert (written, shop.wallet(member), shop.disagreements()) == (30, (0, 30), [])


def test_a_refused_claim_earns_nothing_and_may_be_made_again(shop: Shop, caller: Calls) -> None:
    member = shop.member()
    placed = shop.order(member, (shop.product(), 1))
    api, admin = caller(Role.MEMBER, member), caller(Role.ADMIN, new_id())
    body = {"order_id": str(placed.order.order_id), "line": 1, "evidence": "I want more."}
    claim = api.post("/claims", body).json()["claim_id"]
    assert admin.post(f"/claims/{claim}/decision", {"reason": "As the rule says."}).json()["state"] == "refused"
    assert shop.wallet(member) == (5, 0)
    assert api.post("/claims", body).status_code == 201
    assert api.post("/claims", {**body, "line": 2}).status_code == 404


def test_a_vendors_statement_carries_over(shop: Shop, caller: Calls) -> None:
    vendor = shop.vendor()
    product = shop.product(vendor, price_minor=1000, return_window_days=60)
    member = shop.member()
    march = [shop.order(member, (product, 1)) for _ in range(2)]
    shop.tomorrow(31)
    shop.give_back(march[0], 1)
    shop.order(member, (product, 3))
    api = caller(Role.VENDOR, vendor)
    statement = api.get(f"/statements/{vendor}/2026-03").json()
    assert statement == {
        "period": "2026-03",
        "carried_over": 0,
        "earned": 100,
        "taken_back": 0,
        "closing": 100,
        "closing_minor": 100,
        "currency": "USD",
        "minor_per_100_points": 100,
    }
    april = api.get(f"/statements/{vendor}/2026-04").json()
    assert (april["carried_over"], april["earned"], april["taken_back"], april["closing"]) == (100, 150, 50, 200)
    for period in ("2026-05", "2026-13", "April", "2026-4"):
        assert api.get(f"/statements/{vendor}/{period}").status_code == 422, period
    assert caller(Role.VENDOR, shop.vendor()).get(f"/statements/{vendor}/2026-03").status_code == 404


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        ("UPDATE wallets SET available = available + 1", "the wallet [0,101,0]; lots [0,100,0]"),
        ("UPDATE lots SET unspent = unspent - 1", "lots [0,99,0]"),
        ("UPDATE postings SET points = points + 1 WHERE kind = 'confirm'", "postings [1,101,0]"),
        ("UPDATE lots SET points = points + 5, unspent = unspent + 5; UPDATE wallets SET available = available + 5; "
         "UPDATE postings SET points = points + 5 WHERE account = 'member_available'", "the ledger [0,100,0]"),
    ],
)  # fmt: skip
def test_reconciling_names_the_first_difference(shop: Shop, superuser: Superuser, tamper: str, named: str) -> None:
    member = shop.with_points(100)
    assert shop.disagreements() == []
    superuser.execute(tamper.encode())
    (difference,) = shop.disagreements()
    assert str(member) in difference
    assert named in difference


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        ("DELETE FROM lot_draws", "spent 30 points, of which 0 are traced to lots"),
        ("UPDATE postings SET points = points - 1 WHERE account = 'vendor_funding'", "sum to -1"),
        ("UPDATE lots SET short = 20, recovered = 11", "count 31 of its points as spent, which are 30"),
    ],
)
def test_reconciling_names_what_is_not_traced_counted_or_balanced(
    shop: Shop, superuser: Superuser, tamper: str, named: str
) -> None:
    shop.cash_back(shop.with_points(100), 30)
    superuser.execute(tamper.encode())
    assert named in shop.disagreements()[0]


def test_who_cancels_before_paying_is_charged_no_more(shop: Shop) -> None:
    member = shop.member()
    begun = shop.subscribe(member, shop.offer(Subscription(price_minor=499, grace_days=3)))
    assert begun.due_on == date(2026, 3, 3)
    assert shop.cancel(begun).state is SubscriptionState.ENDED
    assert [payment.state for payment in shop.payments(member)] == [PaymentState.CANCELLED]
    shop.tomorrow()
    assert (shop.night().renewed, len(shop.payments(member))) == (0, 1)


def test_a_vendors_month_ends_with_its_midnight_in_the_programs_zone(shop: Shop, caller: Calls) -> None:
    vendor = shop.vendor()
    product = shop.product(vendor, price_minor=1000)
    member, api = shop.member(), caller(Role.VENDOR, vendor)
    for instant in (
        datetime(2027, 1, 1, 4, 59, tzinfo=UTC),
        datetime(2027, 1, 1, 5, tzinfo=UTC),
    ):  # New York's midnight
        shop.clock.instant = instant
        shop.order(member, (product, 1))
    months = [api.get(f"/statements/{vendor}/{month}").json() for month in ("2026-11", "2026-12", "2027-01")]
    assert [(month["carried_over"], month["earned"]) for month in months] == [(0, 0), (0, 50), (50, 50)]


@pytest.mark.parametrize(("over", "given"), [(OverCap.REDUCE, 15), (OverCap.REFUSE, 10)])
def test_an_offer_past_its_cap_gives_what_is_left_or_nothing_as_it_says(shop: Shop, over: OverCap, given: int) -> None:
    shop.offer(Bonus(points=10, cap_member=5, over_cap=over))
    placed = shop.order(shop.member(), (shop.product(price_minor=200), 1))
    assert sum(lot.points for lot in placed.lots) == given
