"""Tests of the reward catalogue and of subscribing to offers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.errors import Conflict
from app.ids import new_id
from app.offers import service
from app.offers.models import Announced, Item, Period, Promotion, Subscription
from app.offers.renewals import period_end
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def body(terms: dict[str, Any], **fields: Any) -> dict[str, Any]:
    dates = {"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}
    return {"name": "An offer", "terms": terms, **dates, **fields}


MUG: dict[str, Any] = {"kind": "item", "points": 40}
CLUB: dict[str, Any] = {"kind": "subscription", "points": 40}


def test_an_admin_adds_offers_of_every_kind_and_all_see_those_that_run(shop: Shop, caller: Calls) -> None:
    admin = caller(Role.ADMIN, new_id())
    shop.product(brand="Oak")
    answers = [
        admin.post("/offers", body(MUG, on_hand=3)),
        admin.post("/offers", body({"kind": "promotion", "scope": "brand", "target": "Oak", "percent": 300})),
        admin.post("/offers", body({**CLUB, "period": "year"})),
        admin.post("/offers", body(MUG, on_hand=3, starts_at="2026-03-30T00:00:00Z")),
        admin.post("/offers", body(MUG, on_hand=3, ends_at="2026-03-02T15:00:00Z")),  # just over
    ]
    assert [answer.status_code for answer in answers] == [201] * 5
    shown = admin.client.get("/offers").json()["offers"]
    assert {offer["offer_id"]: offer for offer in shown} == {
        answer.json()["offer_id"]: answer.json() for answer in answers[:3]
    }
    club = {"kind": "subscription", "points": 40, "period": "year", "percent": 150, "grace_days": 0}
    assert answers[2].json()["terms"].items() >= club.items()


def test_a_promotion_is_announced_while_it_is_started_and_says_what_it_expects(shop: Shop, caller: Calls) -> None:
    admin, why = caller(Role.ADMIN, new_id()), {"reason": "A test"}
    sale = body({"kind": "promotion"}, starts_at="2026-03-05T12:00:00Z")
    draft = admin.post("/offers", {**sale, "draft": True}).json()["offer_id"]
    quiet = admin.post("/offers", sale).json()
    assert (quiet["state"], quiet["expected_times"]) == ("scheduled", None)

    def announced() -> list[Announced]:
        begin = datetime(2026, 3, 5, tzinfo=UTC)
        with shop.db.read() as session:
            assert service.announced(session, begin + timedelta(hours=13), begin + timedelta(days=9)) == []
            return service.announced(session, begin, begin + timedelta(days=1))

    changed = admin.patch(f"/offers/{draft}", {"expected_times": 20, **why})
    assert (changed.status_code, changed.json()["expected_times"], announced()) == (200, 20, [])
    for state in ("running", "paused", "running", "ended"):
        assert admin.post(f"/offers/{draft}/transitions", {"to": state, **why}).status_code == 201
        dates = (datetime(2026, 3, 5, 12, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
        assert announced() == ([Announced(UUID(draft), *dates, 20)] if state == "running" else [])
    copy = admin.post(f"/offers/{draft}/copies", why).json()
    assert (copy["state"], copy["expected_times"]) == ("draft", 20)


def test_a_subscription_is_paid_at_once_and_shown_to_its_member(shop: Shop, caller: Calls) -> None:
    member, club = shop.with_points(100), shop.offer(Subscription(points=40))
    api = caller(Role.MEMBER, member)
    answer = api.post(f"/offers/{club}/subscriptions", {})
    assert answer.status_code == 201
    subscription = answer.json()
    assert (subscription["state"], subscription["started_on"], subscription["paid_until"]) == (
        "active",
        "2026-03-02",
        "2026-04-02",
    )
    assert shop.wallet(member) == (0, 60)
    assert api.get("/subscriptions").json() == {"subscriptions": [subscription], "next": None}
    assert [
        (redemption["kind"], redemption["points"]) for redemption in api.get("/redemptions").json()["redemptions"]
    ] == [("subscription", 40)]
    other = caller(Role.MEMBER, shop.member())
    assert other.get("/subscriptions").json() == {"subscriptions": [], "next": None}
    assert other.delete(f"/subscriptions/{subscription['subscription_id']}").status_code == 404
    cancelled = api.delete(f"/subscriptions/{subscription['subscription_id']}")
    assert (cancelled.status_code, cancelled.json()) == (200, {**subscription, "state": "cancelled"})
    assert api.delete(f"/subscriptions/{subscription['subscription_id']}").status_code == 409
    assert shop.disagreements() == []


def test_what_cannot_be_subscribed_to_is_refused_and_costs_nothing(shop: Shop, caller: Calls) -> None:
    member = shop.with_points(100)
    ended = shop.offer(Subscription(points=40), days=1)
    shop.tomorrow(2)
    api, before = caller(Role.MEMBER, member), shop.counts()
    refused = {
        ended: 409,
        shop.offer(Item(points=1), on_hand=5): 409,
        shop.offer(Promotion()): 409,
        shop.offer(Subscription(points=101)): 402,
        new_id(): 404,
    }
    for offer, status in refused.items():
        assert api.post(f"/offers/{offer}/subscriptions", {}).status_code == status, offer
    assert {**shop.counts(), "journal_revisions": 0} == {**before, "journal_revisions": 0}
    assert shop.wallet(member) == (0, 100)


def test_subscribing_twice_is_refused_and_paid_once(shop: Shop, caller: Calls) -> None:
    member, club = shop.with_points(100), shop.offer(Subscription(points=40))
    api = caller(Role.MEMBER, member)
    statuses = [api.post(f"/offers/{club}/subscriptions", {}).status_code for _ in range(2)]
    assert shop.wallet(member) == (0, 60)
    assert statuses == [201, 409]


def test_subscribing_many_times_at_once_is_paid_once(shop: Shop) -> None:
    member, club, start = shop.with_points(400), shop.offer(Subscription(points=40)), Barrier(6)

    def subscribe(_: int) -> bool:
        start.wait()
        try:
            shop.subscribe(member, club)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(subscribe, range(6))) == 1
    assert (shop.wallet(member), len(shop.subscriptions(member))) == ((0, 360), 1)


def test_who_cancelled_and_subscribes_again_within_what_is_paid_resumes(shop: Shop) -> None:
    member, club = shop.with_points(100), shop.offer(Subscription(points=40))
    shop.cancel(shop.subscribe(member, club))
    shop.subscribe(member, club)
    assert [subscription.state for subscription in shop.subscriptions(member)] == ["active"]
    assert shop.wallet(member) == (0, 60)  # paid once


@pytest.mark.parametrize(
    ("started", "paid_until", "period", "then"),
    [
        (date(2026, 3, 2), date(2026, 3, 2), Period.MONTH, date(2026, 4, 2)),
        (date(2026, 1, 31), date(2026, 1, 31), Period.MONTH, date(2026, 2, 28)),
        (date(2026, 1, 31), date(2026, 2, 28), Period.MONTH, date(2026, 3, 31)),
        (date(2028, 1, 31), date(2028, 1, 31), Period.MONTH, date(2028, 2, 29)),
        (date(2026, 12, 15), date(2026, 12, 15), Period.MONTH, date(2027, 1, 15)),
        (date(2026, 11, 30), date(2026, 11, 30), Period.MONTH, date(2026, 12, 30)),
        (date(2028, 2, 29), date(2028, 2, 29), Period.YEAR, date(2029, 2, 28)),
        (date(2028, 2, 29), date(2031, 2, 28), Period.YEAR, date(2032, 2, 29)),
    ],
)
def test_a_period_ends_on_the_day_of_the_start_or_the_months_last(
    started: date, paid_until: date, period: Period, then: date
) -> None:
    assert period_end(started, paid_until, period) == then
