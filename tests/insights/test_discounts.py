"""Tests of hourly discounts: vendors' price floors, caps and budgets, approval, the stop switch, measured effect."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import logins
from app.discounts import service
from app.discounts.models import Deal, Discount, DiscountState, DiscountTerms, Floor, Mode
from app.errors import Conflict
from app.ids import new_id
from app.insights.discount_proposals import service as proposals
from app.signing import Role
from tests.conftest import Run
from tests.insights.conftest import Consumed, apply, order_record
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
NUMBERS = count()
NOW = datetime(2026, 3, 2, 15, 20, tzinfo=UTC)
SEVERAL = 20  # a hash of id and hour puts a fifth in the control group: of so many, never all


def lagging(shop: Shop, vendor: UUID, how_many: int, *, before: datetime = NOW, **fields: Any) -> list[UUID]:
    """Create products that sold four units a day in one hour of the last four weeks, but none in the last day."""
    shop.clock.instant = before
    products = [shop.product(vendor, price_minor=1_000, **fields) for _ in range(how_many)]
    at = before.replace(hour=16, minute=5)
    records = [
        order_record(next(NUMBERS), at - timedelta(days=day), products) for day in range(2, 28) for _ in range(4)
    ]
    apply(shop.db, records)
    return products


def allow(shop: Shop, vendor: UUID, products: list[UUID], mode: Mode = Mode.AUTO, **overrides: Any) -> None:
    limits = {"percent": 20, "most_products": 100, "budget_minor": 1_000_000, "floor_minor": 700, **overrides}
    floor = limits.pop("floor_minor")
    with shop.db.write() as session:
        terms = DiscountTerms(vendor, mode, **limits)
        service.set_terms(session, terms, [Floor(product, floor) for product in products], shop.clock)


def propose(shop: Shop) -> list[Discount]:
    with shop.under(logins.LEARNING).write() as session:
        return proposals.propose(session, shop.clock)


def picked(discounts: list[Discount]) -> list[Discount]:
    return [discount for discount in discounts if discount.state is not DiscountState.CONTROL]


def test_what_lags_is_discounted_within_the_vendors_floor_and_cap(shop: Shop) -> None:
    vendor, other = shop.vendor(), shop.vendor()
    products, unnamed = lagging(shop, vendor, SEVERAL), lagging(shop, other, 3)
    allow(shop, vendor, products, most_products=4)
    allow(shop, other, unnamed, Mode.OFF)
    proposals = propose(shop)
    assert {proposal.vendor_id for proposal in proposals} == {vendor}
    assert len(picked(proposals)) == 4
    assert {proposal.price_minor for proposal in proposals} == {800}
    assert {proposal.hour for proposal in proposals} == {NOW.replace(hour=16, minute=0)}
    assert proposals[0].expected == pytest.approx(4 * 26 / 28)
    assert picked(propose(shop)) == []
    shop.clock.advance(hours=1)
    allow(shop, vendor, products, percent=90, floor_minor=950)
    assert {proposal.price_minor for proposal in propose(shop)} == {950}


def test_what_sells_as_usual_or_has_no_floor_or_no_stock_is_left_alone(shop: Shop) -> None:
    vendor = shop.vendor()
    usual, floorless, sold_out = (lagging(shop, vendor, 1)[0] for _ in range(3))
    apply(shop.db, [order_record(next(NUMBERS), NOW - timedelta(hours=2), [usual]) for _ in range(4)])
    shop.change(vendor, sold_out, stock=0)
    allow(shop, vendor, [usual, sold_out])
    assert propose(shop) == []
    allow(shop, vendor, [floorless])
    assert [proposal.product_id for proposal in propose(shop)] == [floorless]


@pytest.fixture
def deal(shop: Shop) -> Discount:
    """Return a proposed discount that its vendor must still approve, an hour before the discount would begin."""
    vendor = shop.vendor()
    products = lagging(shop, vendor, SEVERAL)
    allow(shop, vendor, products, Mode.ASK)
    return picked(propose(shop))[0]


def paid(shop: Shop, product: UUID, units: int = 1) -> int:
    return shop.order(shop.member(), (product, units)).order.paid_minor


def test_an_approved_discount_is_what_an_order_pays_for_that_hour(shop: Shop, deal: Discount, caller: Calls) -> None:
    member, vendor = shop.member(), caller(Role.VENDOR, deal.vendor_id)
    path = f"/insights/discounts/{deal.discount_id}/decision"
    assert caller(Role.VENDOR, shop.vendor()).post(path, {"approve": True}).status_code == 404
    assert [discount["state"] for discount in vendor.get("/insights/discounts/proposals").json()["discounts"]].count(
        "proposed"
    )
    assert vendor.post(path, {"approve": True}).json()["state"] == "approved"
    assert vendor.post(path, {"approve": False}).status_code == 409
    assert paid(shop, deal.product_id) == 1_000
    shop.clock.instant = deal.hour + timedelta(minutes=1)
    assert shop.quote(member, (deal.product_id, 3)).order.discount_minor == 600
    placed = shop.order(member, (deal.product_id, 3), (shop.product(), 1))
    assert (placed.order.gross_minor, placed.order.discount_minor, placed.order.paid_minor) == (3_100, 600, 2_500)
    (shown,) = caller(Role.MEMBER, member).get("/insights/discounts").json()["discounts"]
    assert (shown["product_id"], shown["list_minor"], shown["price_minor"]) == (str(deal.product_id), 1_000, 800)
    shop.clock.instant = deal.hour + timedelta(hours=1)
    assert paid(shop, deal.product_id) == 1_000
    assert not shop.disagreements()


@pytest.mark.parametrize(
    ("list_minor", "floor_minor", "percent", "expected"),
    [
        (5_000, 700, 20, 4_000),  # the percent is of the list price as it is now
        (900, 700, 20, 800),  # the price that was proposed, though more would be allowed
        (750, 700, 20, 750),
        (1_000, 950, 20, 950),  # a floor that was raised counts at once
        (1_000, 1_200, 20, 1_000),
        (1_000, 700, 5, 950),  # and so does a lower percent
        (1_000, None, 20, 1_000),  # without a floor there is no discount
    ],
)
def test_within_the_hour_list_price_floor_and_percent_count_as_they_are_now(
    shop: Shop, deal: Discount, caller: Calls, list_minor: int, floor_minor: int | None, percent: int, expected: int
) -> None:
    with shop.db.write() as session:
        service.decide(session, deal.vendor_id, deal.discount_id, shop.clock, approve=True)
    shop.clock.instant = deal.hour + timedelta(minutes=1)
    assert paid(shop, deal.product_id) == 800
    shop.change(deal.vendor_id, deal.product_id, price_minor=list_minor)
    products = [deal.product_id] if floor_minor is not None else []
    allow(shop, deal.vendor_id, products, Mode.ASK, percent=percent, floor_minor=floor_minor)
    member = shop.member()
    assert paid(shop, deal.product_id) == shop.quote(member, (deal.product_id, 1)).order.paid_minor == expected
    shown = caller(Role.MEMBER, member).get("/insights/discounts").json()["discounts"]
    assert [discount["price_minor"] for discount in shown] == ([expected] if expected < list_minor else [])


_PRICE = st.integers(0, 10**12)


@given(_PRICE, _PRICE, st.integers(1, 90), _PRICE)
def test_a_deal_is_never_below_floor_or_past_the_percent(proposed: int, floor: int, percent: int, now: int) -> None:
    price = Deal(new_id(), new_id(), NOW, proposed, percent, floor).price(now)
    assert price <= now
    assert price == now or (price >= floor and (now - price) * 100 <= percent * now)


def test_what_nobody_approved_changes_no_price(shop: Shop, deal: Discount) -> None:
    shop.clock.instant = deal.hour
    assert paid(shop, deal.product_id) == 1_000
    shop.clock.instant = deal.hour + timedelta(hours=1)
    with shop.db.write() as session, pytest.raises(Conflict, match="is over"):
        service.decide(session, deal.vendor_id, deal.discount_id, shop.clock, approve=True)


def test_the_switch_stops_every_discount_at_once_and_lets_none_begin(
    shop: Shop, deal: Discount, caller: Calls, run: Run
) -> None:
    with shop.db.write() as session:
        service.decide(session, deal.vendor_id, deal.discount_id, shop.clock, approve=True)
    shop.clock.instant = deal.hour
    assert paid(shop, deal.product_id) == 800
    admin = caller(Role.ADMIN, new_id())
    assert admin.put("/insights/discounts/switch", {"stopped": True}).json()["ended"] > 0
    assert paid(shop, deal.product_id) == 1_000
    assert propose(shop) == []
    assert run("insights", "switch-discounts", "--allow")[:2] == (0, "discounts are allowed; 0 ended\n")
    assert paid(shop, deal.product_id) == 1_000


def test_a_vendor_who_switches_off_ends_its_own(shop: Shop, deal: Discount, caller: Calls) -> None:
    with shop.db.write() as session:
        service.decide(session, deal.vendor_id, deal.discount_id, shop.clock, approve=True)
    shop.clock.instant = deal.hour
    off = {"mode": "off", "percent": 5, "most_products": 1, "budget_minor": 0, "floors": []}
    assert caller(Role.VENDOR, deal.vendor_id).put("/insights/discounts/terms", off).status_code == 200
    assert paid(shop, deal.product_id) == 1_000


def test_an_hours_budget_is_never_exceeded_by_many_at_once(shop: Shop) -> None:
    vendor = shop.vendor()
    products = lagging(shop, vendor, SEVERAL)
    allow(shop, vendor, products, budget_minor=1_000)
    product = picked(propose(shop))[0].product_id
    shop.clock.instant = NOW.replace(hour=16)
    members = shop.members(20)
    with ThreadPoolExecutor(8) as pool:
        paid = list(pool.map(lambda member: shop.order(member, (product, 1)).order.paid_minor, members))
    assert sorted(paid) == [800] * 5 + [1_000] * 15
    with shop.db.read() as session:
        assert service.running(session, shop.clock) == []


def test_a_floor_for_another_vendors_product_is_refused_with_its_place(shop: Shop, caller: Calls) -> None:
    vendor, mine, other = shop.vendor(), shop.product(), shop.product()
    terms = {"mode": "auto", "percent": 5, "most_products": 1, "budget_minor": 9}
    floors = [{"product_id": str(product), "floor_minor": 1} for product in (other, mine)]
    answer = caller(Role.VENDOR, vendor).put("/insights/discounts/terms", {**terms, "floors": floors})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "floors.0.product_id")
    shown = caller(Role.VENDOR, vendor).get("/insights/discounts/terms").json()
    assert (shown["mode"], shown["floors"]) == ("off", [])


def test_the_effect_is_what_discounted_hours_sold_against_the_control(
    shop: Shop, consumed: Consumed, caller: Calls
) -> None:
    vendor = shop.vendor()
    products = lagging(shop, vendor, 30)
    allow(shop, vendor, products)
    proposals = propose(shop)
    control = [proposal for proposal in proposals if proposal.state is DiscountState.CONTROL]
    assert 0 < len(control) < 15
    at = NOW.replace(hour=16, minute=30)
    for proposal in proposals:
        for _ in range(2 if proposal in control else 6):
            apply(shop.db, [order_record(next(NUMBERS), at, [proposal.product_id])])
    analyst = caller(Role.ANALYST, new_id())
    assert analyst.get("/insights/discounts/effect").json()["discounts"] == 0
    apply(shop.db, [order_record(next(NUMBERS), at + timedelta(hours=1), [new_id()])])
    effect = analyst.get("/insights/discounts/effect").json()
    assert (effect["discounts"], effect["controls"]) == (30 - len(control), len(control))
    assert effect["given_minor"] == effect["sold"] * 200
    assert effect["uplift"] == pytest.approx(3)
    assert effect["low"] < 3 < effect["high"]


@pytest.mark.parametrize(
    ("zone", "now", "begin"),
    [
        ("Asia/Kolkata", NOW, NOW.replace(minute=30)),
        ("Asia/Kolkata", NOW.replace(minute=40), NOW.replace(hour=16, minute=30)),
        ("Asia/Kathmandu", NOW, NOW.replace(hour=16, minute=15)),
        ("America/New_York", NOW, NOW.replace(hour=16, minute=0)),
        # Half an hour back at 15:00 and forward at 15:30 UTC: 1:30 to 2:00 comes twice, 2:00 to 2:30 never.
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, 40, tzinfo=UTC), datetime(2026, 4, 4, 14, 30, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 20, tzinfo=UTC), datetime(2026, 10, 3, 15, tzinfo=UTC)),
    ],
)
def test_discounts_hold_and_are_measured_by_the_whole_hours_of_the_programs_zone(
    shop: Shop, caller: Calls, zone: str, now: datetime, begin: datetime
) -> None:
    shop.program(time_zone=zone)
    vendor = shop.vendor()
    products = lagging(shop, vendor, SEVERAL, before=now)
    allow(shop, vendor, products)
    proposals = propose(shop)
    assert {proposal.hour for proposal in proposals} == {begin}
    product = picked(proposals)[0].product_id
    halfway = begin + timedelta(minutes=31)
    in_time, late = (begin + timedelta(minutes=59)), (begin + timedelta(hours=1))
    for at, price in ((now, 1_000), (halfway, 800), (in_time, 800), (late, 1_000)):
        shop.clock.instant = at
        assert paid(shop, product) == price, at
    for proposal in proposals:
        apply(shop.db, [order_record(next(NUMBERS), halfway, [proposal.product_id])])
        apply(shop.db, [order_record(next(NUMBERS), late, [proposal.product_id])])
    apply(shop.db, [order_record(next(NUMBERS), late + timedelta(minutes=20), [new_id()])])
    effect = caller(Role.ANALYST, new_id()).get("/insights/discounts/effect").json()
    assert effect["sold"] == effect["discounts"] == len(picked(proposals))
