"""Tests of recommendations: product affinity is found only where planted, and consent decides what members see."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app import logins
from app.ids import new_id
from app.insights.recommendations import learning
from app.insights.recommendations.models import Learned
from app.members import service as members
from app.members.models import Member
from app.signing import Role
from tests.conftest import Run, refused
from tests.insights.conftest import Consumed, apply, order_record
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
BEGIN = datetime(2026, 2, 1, tzinfo=UTC)


def learned(shop: Shop) -> Learned:
    return learning.learn(shop.under(logins.LEARNING), shop.clock)


def take_in(shop: Shop, baskets: list[list[UUID]], of: list[UUID] | None = None) -> None:
    """Apply baskets as orders, one a minute, to the hourly counts; the buyers `of` take turns."""
    buyers = of or [new_id()]
    records = [
        order_record(number, BEGIN + timedelta(minutes=number), basket, buyers[number % len(buyers)])
        for number, basket in enumerate(baskets)
    ]
    for first in range(0, len(records), 1_000):
        apply(shop.db, records[first : first + 1_000])


def pairs(shop: Shop) -> list[tuple[UUID, UUID]]:
    """Return the learned pairs of products, highest lift first, each pair once."""
    with shop.db.read() as session:
        rows = session.rows("SELECT product_id, companion_id FROM product_affinity ORDER BY lift DESC")
    return list(dict.fromkeys((min(pair), max(pair)) for pair in rows))


@pytest.mark.slow
@pytest.mark.parametrize("planted", [3, 0])
def test_planted_pairs_rank_top_and_without_planting_there_are_none(shop: Shop, planted: int) -> None:
    dice = random.Random(planted)
    vendor = shop.vendor()
    products = [shop.product(vendor, category=f"C{number % 40}") for number in range(200)]
    weights = [1 / (place + 5) for place in range(200)]
    baskets = [list(dict.fromkeys(dice.choices(products, weights, k=dice.randint(2, 8)))) for _ in range(10_000)]
    wanted = {(min(pair), max(pair)) for pair in ((products[60 + n], products[101 + n]) for n in range(planted))}
    for pair in wanted:
        for basket in dice.sample(baskets, 60):
            basket.extend(product for product in pair if product not in basket)
    take_in(shop, baskets)
    assert learned(shop).baskets == 10_000
    assert set(pairs(shop)) == wanted


def test_products_of_one_category_stand_in_for_each_other_and_are_never_companions(shop: Shop, caller: Calls) -> None:
    vendor = shop.vendor()
    tea, other, cup = (
        shop.product(vendor, name=name, category=category)
        for name, category in (("Tea", "TEA"), ("Other tea", "TEA"), ("Cup", "CUPS"))
    )
    rest = [shop.product(vendor, category=f"C{number}") for number in range(20)]
    dice = random.Random(1)
    take_in(shop, [[tea, other, cup] if not n % 8 else [*dice.sample(rest, 3)] for n in range(400)])
    learned(shop)
    assert set(pairs(shop)) == {(min(product, cup), max(product, cup)) for product in (tea, other)}
    companions = caller(Role.MEMBER, new_id()).get(f"/insights/products/{tea}/companions", limit=3).json()["companions"]
    assert (companions[0]["name"], companions[0]["why"], companions[0]["detail"]) == (
        "Cup",
        "together",
        "in 50 of 50 baskets with it",
    )
    assert companions[0]["lift"] == pytest.approx((50 + 5) / (50 * 50 / 400 + 5))
    assert "Other tea" not in {companion["name"] for companion in companions}
    assert caller(Role.MEMBER, new_id()).get(f"/insights/products/{new_id()}/companions").status_code == 404


def test_companions_back_off_to_the_category_and_then_to_what_sells_best(shop: Shop, caller: Calls) -> None:
    vendor = shop.vendor()
    rare = shop.product(vendor, name="Rare tea", category="TEA")
    teas = [shop.product(vendor, category="TEA") for _ in range(30)]
    cups = [shop.product(vendor, name=f"Cup {number}", category="CUPS") for number in range(30)]
    loved = shop.product(vendor, name="Loved", category="LOVED")
    dice = random.Random(2)
    take_in(
        shop,
        [[dice.choice(teas), dice.choice(cups[:3] if n % 3 else cups)] if n % 2 else [loved] for n in range(1_000)],
    )
    learned(shop)
    companions = (
        caller(Role.MEMBER, new_id()).get(f"/insights/products/{rare}/companions", limit=5).json()["companions"]
    )
    assert companions[0]["name"] in {"Cup 0", "Cup 1", "Cup 2"}
    assert (companions[0]["why"], companions[0]["detail"]) == ("category", "often bought with CUPS")
    assert (companions[1]["name"], companions[1]["why"]) == ("Loved", "bestseller")
    assert all(companion["name"].startswith("Cup") for companion in companions[2:])


def join(shop: Shop, how_many: int, band: str, *, consent: bool = True) -> list[UUID]:
    at = shop.clock.now() if consent else None
    people = [Member(new_id(), "A member", band, None, at, shop.clock.now()) for _ in range(how_many)]
    with shop.db.write() as session:
        members.join_all(session, people)
    return [member.member_id for member in people]


def recommended(caller: Calls, member: UUID, **query: Any) -> dict[str, str]:
    """Return the names of the products recommended to a member, each with the reason."""
    answer = caller(Role.MEMBER, member).get("/insights/recommendations", **query)
    assert answer.status_code == 200, answer.text
    return {product["name"]: f"{product['why']}: {product['detail']}" for product in answer.json()["products"]}


@pytest.fixture
def goods(shop: Shop) -> dict[str, UUID]:
    vendor = shop.vendor()
    names = ("Champagne", "Caviar", "Bread", "Milk", "Rice")
    return {name: shop.product(vendor, name=name, category=name, department=name) for name in names}


def test_a_segment_shows_only_what_ten_consenting_members_bought(
    shop: Shop, goods: dict[str, UUID], caller: Calls
) -> None:
    rich, quiet, poor = join(shop, 12, "250K+"), join(shop, 30, "250K+", consent=False), join(shop, 40, "Under 15K")
    champagne, caviar, bread = goods["Champagne"], goods["Caviar"], goods["Bread"]
    baskets = [
        *[([champagne], member) for member in rich[:10]],
        *[([caviar], member) for member in (*rich[:9], *quiet)],
    ]
    baskets += [([bread], member) for member in poor for _ in range(4)]
    for number, (basket, buyer) in enumerate(baskets):
        apply(shop.db, [order_record(number, BEGIN + timedelta(minutes=number), basket, buyer)])
    assert learned(shop).segment_cells == 4
    assert recommended(caller, rich[11])["Champagne"] == "segment: income_band 250K+"
    assert not recommended(caller, rich[11])["Caviar"].startswith("segment")
    assert recommended(caller, quiet[0])["Champagne"].startswith("bestseller")
    with shop.db.read() as session:
        fewest = session.value("SELECT min(members) FROM segment_products")
    assert fewest == 10


def test_without_consent_habits_and_segments_choose_nothing_and_withdrawing_it_counts_at_once(
    shop: Shop, goods: dict[str, UUID], caller: Calls
) -> None:
    (ana,) = join(shop, 1, "50-74K")
    others = join(shop, 3, "75-99K")
    baskets = [[goods["Bread"]] for _ in range(30)]
    take_in(shop, baskets, others)
    days = [shop.clock.now() - timedelta(days=day) for day in (20, 15, 10)]
    mine = [[goods["Milk"]], [goods["Milk"]], [goods["Rice"]]]
    for number, (at, basket) in enumerate(zip(days, mine, strict=True), 100):
        apply(shop.db, [order_record(number, at, basket, ana)])
    learned(shop)
    assert recommended(caller, ana)["Milk"] == "again: in 2 of your last 3 baskets"
    assert caller(Role.MEMBER, ana).put("/members/me/consent", {"recommendations": False}).status_code == 200
    assert recommended(caller, ana) == {"Bread": "bestseller: many buy it"}
    assert caller(Role.MEMBER, new_id()).get("/insights/recommendations").status_code == 404


def test_nobody_is_shown_what_they_just_bought_or_what_cant_be_had(
    shop: Shop, goods: dict[str, UUID], caller: Calls
) -> None:
    (ana,) = join(shop, 1, "50-74K")
    seller, sold_out = shop.vendor(), shop.vendor()
    gone = shop.product(sold_out, name="Gone", category="GONE")
    off = shop.product(seller, name="Off", category="OFF")
    every = [*goods.values(), gone, off]
    take_in(shop, [[product] for product in every for _ in range(9)])
    ages = [(0.5, ["Milk"]), (1.5, ["Rice"]), (8, ["Bread", "Milk"]), (12, ["Bread", "Rice", "Milk"])]
    for number, (age, names) in enumerate(ages, 1_000):
        at = shop.clock.now() - timedelta(days=age)
        apply(shop.db, [order_record(number, at, [goods[name] for name in names], ana)])
    learned(shop)
    assert {"Gone", "Off", "Champagne"} <= set(recommended(caller, ana))
    shop.change(seller, off, active=False)
    shop.change(sold_out, gone, stock=0)
    shown = recommended(caller, ana)
    assert set(shown) == {"Bread", "Champagne", "Caviar"}
    assert shown["Bread"].startswith("again")


def test_what_a_member_bought_brings_what_goes_with_it(shop: Shop, consumed: Consumed, caller: Calls) -> None:
    (ana,) = join(shop, 1, "50-74K")
    vendor = shop.vendor()
    printer, ink = (shop.product(vendor, name=name, category=name) for name in ("Printer", "Ink"))
    rest = [shop.product(vendor, category=f"C{number}") for number in range(30)]
    dice = random.Random(4)
    take_in(shop, [[printer, ink] if not n % 10 else dice.sample(rest, 2) for n in range(300)])
    apply(shop.db, [order_record(1_000, shop.clock.now(), [printer], ana)])
    learned(shop)
    assert next(iter(recommended(caller, ana).items())) == ("Ink", "together: Printer")


def test_only_the_newest_baskets_are_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MOST_BASKETS", 50)
    take_in(shop, [[shop.product()]] * 80)
    assert learned(shop).baskets == 50
    with shop.db.read() as session:
        assert session.value("SELECT min(sequence) FROM stream_baskets") == 30


def test_the_commands_say_what_was_learned_and_what_would_be_shown(
    shop: Shop, goods: dict[str, UUID], run: Run
) -> None:
    (quiet,) = join(shop, 1, "50-74K", consent=False)
    take_in(shop, [[goods["Bread"]] for _ in range(9)], [quiet])
    code, printed, _ = run("insights", "learn")
    assert (code, "from 9 baskets: 0 pairs" in printed) == (0, True)
    code, printed, _ = run("insights", "recommend", str(quiet))
    assert (code, "did not consent" in printed, "Bread" in printed) == (0, True, True)
    code, printed, _ = run("insights", "companions", str(goods["Milk"]), "--csv")
    assert printed.splitlines()[1].startswith(f"{goods['Bread']},Bread,100,bestseller")
    assert "no product" in refused(run("insights", "companions", str(new_id())))


def test_what_came_back_whole_is_no_bestseller(shop: Shop, goods: dict[str, UUID], consumed: Consumed) -> None:
    member = shop.member()
    for number in range(8):
        placed = shop.order(member, (goods["Milk"], 2), (goods["Bread"], 2), (goods["Rice"], 1))
        if number < 2:
            shop.give_back(placed, 1)
            shop.give_back(placed, 1)
            shop.give_back(placed, 1, line=2)
    consumed()
    learned(shop)
    with shop.db.read() as session:
        popular = dict(session.rows("SELECT product_id, baskets FROM popular_products"))
    assert popular == {goods["Milk"]: 6, goods["Bread"]: 8, goods["Rice"]: 8}
