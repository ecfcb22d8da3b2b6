"""Tests that currencies with 0, 2, 3 and 4 decimal digits give equal points and amounts."""

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.accounts import statements
from app.earning.earners import Scope
from app.earning.rules import Method
from app.ids import new_id
from app.money import minor_per_unit
from app.program.models import EarningBase
from app.signing import Role
from app.vendors import intake
from app.vendors.models import FeedMode
from app.vendors.uploads import Upload
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
CURRENCIES = ("JPY", "USD", "KWD", "CLF")


def story(shop: Shop, caller: Calls, currency: str) -> list[object]:
    """Sell products at 20 and 30, take one unit back; return what member and vendor see, with money in whole units."""
    unit = minor_per_unit(currency)
    shop.program(currency=currency, minor_per_100_points=unit, earning_base=EarningBase.NET)
    seller, member = shop.vendor(), shop.member()
    feed = b"sku,name,brand,department,category,price,stock,return_window_days\na,A,B,D,C,20,9,1\nb,B,B,D,C,30,9,1\n"
    with Upload.of(io.BytesIO(feed), None) as upload:
        report = intake.take(shop.db, seller, upload, FeedMode.ALL_OR_NOTHING, shop.clock)
    products = caller(Role.MEMBER, member).get("/products", vendor_id=str(seller), sort="price").json()["products"]
    ids = [UUID(product["product_id"]) for product in products]
    seen: list[object] = [report.created, [(row["price_minor"] // unit, row["earns"]["points"]) for row in products]]
    quoted = shop.quote(member, (ids[0], 2), (ids[1], 1))
    placed = shop.order(member, (ids[0], 2), (ids[1], 1))
    seen += [quoted.earns, placed.order.paid_minor // unit, placed.order.paid_minor % unit]
    seen += [(lot.points, lot.explanation["gives"], lot.explanation["exact"]) for lot in placed.lots]
    seen.append(shop.give_back(placed, 1).points)
    shop.tomorrow(2)
    shop.night()
    seen.append(shop.wallet(member))
    paid = shop.order(member, (ids[1], 1), pay_points=100)
    seen += [paid.order.points_minor // unit, paid.order.points_minor % unit, paid.earns]
    shop.cash_back(member, 100)
    seen.append(shop.payments(member)[0].amount_minor == unit)
    with shop.db.snapshot() as session:
        statement = statements.of_vendor(session, seller, f"{shop.clock.now():%Y-%m}", shop.clock)
    seen += [statement.closing, statement.minor_per_100_points // unit]
    rule = {"name": f"Dear {currency}", "scope": "product", "target": str(ids[0]), "method": "rate", "amount": 201}
    seen.append(caller(Role.ADMIN, new_id()).post("/rules", rule).json()["past_limits"])
    return seen


def test_one_shops_story_is_the_same_in_every_currency(shop: Shop, caller: Calls) -> None:
    # Trial 40
    stories = {currency: story(shop, caller, currency) for currency in CURRENCIES}
    assert stories == dict.fromkeys(CURRENCIES, stories["USD"])
    assert shop.disagreements() == []


@pytest.mark.parametrize(
    ("currency", "price", "minor"),
    [("JPY", "1500", 1_500), ("USD", "15.5", 1_550), ("KWD", "1.005", 1_005), ("HUF", "15.50", 1_550)],
)
def test_a_feeds_prices_have_the_digits_of_the_currency(shop: Shop, currency: str, price: str, minor: int) -> None:
    shop.program(currency=currency)
    seller = shop.vendor()
    for cell, errors in ((price, []), (f"{price}{'.5' if '.' not in price else '55'}", ["too-precise"])):
        feed = f"sku,name,brand,department,category,price\na,A,B,D,C,{cell}\n".encode()
        with Upload.of(io.BytesIO(feed), None) as upload:
            report = intake.take(shop.db, seller, upload, FeedMode.GOOD_ROWS, shop.clock)
        assert [error.code for error in report.errors] == errors
    with shop.db.read() as session:
        assert session.value("SELECT price_minor FROM products WHERE vendor_id = %s", (seller,)) == minor


@pytest.mark.parametrize("method", Method)
def test_every_method_gives_the_same_in_every_currency(shop: Shop, method: Method) -> None:
    amount = {Method.RATE: 3, Method.FIXED: 7, Method.CASH_BACK: 250, Method.MULTIPLIER: 300}[method]
    given = []
    for currency in CURRENCIES:
        unit = minor_per_unit(currency)
        shop.program(currency=currency, minor_per_100_points=unit)
        product = shop.product(price_minor=40 * unit, brand=f"Brand {currency}")
        shop.rule(amount, method, scope=Scope.BRAND, target=f"Brand {currency}")
        given.append([(lot.points, lot.explanation["gives"]) for lot in shop.order(shop.member(), (product, 3)).lots])
    assert given == [given[0]] * len(CURRENCIES)
