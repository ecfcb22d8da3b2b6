"""Tests of paging all lists of 10,000 rows while rows are added and removed: each remaining row is returned once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from itertools import count, islice
from typing import Any, TypeVar
from uuid import UUID

import orjson
import pytest
from fastapi import FastAPI

from app import ledger
from app.accounts import claims
from app.catalog import product_changes
from app.catalog import service as catalog
from app.catalog.models import ProductChange
from app.discounts import repository as discounts
from app.discounts.models import Discount, DiscountState, DiscountTerms, Floor, Mode
from app.ids import new_id
from app.insights.warehouse import repository as published
from app.insights.warehouse.models import (
    AreaSales,
    BrandAffinity,
    Grain,
    Published,
    RangeAffinity,
    SalesKind,
    Season,
    SegmentKind,
    SegmentSize,
    YearSales,
)
from app.night import repository as nights
from app.night.models import NightlyReport
from app.offers import redemption
from app.offers.models import Subscription
from app.orders import placing
from app.orders import repository as orders
from app.orders.models import LineDraft, OrderDraft, Request, Return
from app.paging import MOST_ROWS
from app.program import service as programs
from app.signing import Role
from app.times import hour_of
from app.vendors import repository as vendors
from app.vendors import service as onboarding
from app.vendors.models import FeedMode, FeedReport
from app.wallet.payments_models import PaymentState
from tests.insights.conftest import apply, order_record
from tests.shop import Shop
from tests.test_paging import NO_LIST, app, lists

Calls = Callable[[Role, UUID], Any]
Row = TypeVar("Row")
ROWS = 10_000
DOCUMENTS = 40
"""What one transaction may journal."""
__all__ = ["app"]


@dataclass(frozen=True)
class Paged:
    """A list of the API: its path, and functions that add a row (`come`) and remove one (`go`, if possible)."""

    path: str
    rows: str
    api: Any
    come: Callable[[], object]
    go: Callable[[str], object] | None = None
    key: str | None = None  # the whole row, where no field names it
    ids: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    def pages(self) -> Iterator[list[str]]:
        parts = iter(self.ids)
        url = "/".join(next(parts) if part[:1] == "{" else part for part in self.path.split("/"))
        query = dict(self.query)
        while True:
            answer = self.api.get(url, **query, limit=MOST_ROWS)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            yield [self._name(row) for row in page[self.rows]]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def _name(self, row: dict[str, Any]) -> str:
        return str(row[self.key]) if self.key else orjson.dumps(row).decode()


def walked(paged: Paged) -> None:
    """Read all pages of a list while rows are added and removed; assert that each remaining row is returned once."""
    before = [row for page in paged.pages() for row in page]
    assert len(before) == len(set(before)) >= ROWS
    seen: Counter[str] = Counter()
    gone = set[str]()
    for number, page in enumerate(paged.pages()):
        seen.update(page)
        if number % 10 == 3:
            paged.come()
            left = before[-1 - number // 10]
            if paged.go and left not in seen:
                paged.go(left)
                gone.add(left)
    assert max(seen.values()) == 1
    assert set(before) - gone <= seen.keys()
    assert not gone & seen.keys()
    assert bool(gone) == bool(paged.go)


def batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Yield lists of `size` rows, as itertools.batched of Python 3.12 does."""
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def catalogue(shop: Shop, caller: Calls) -> list[Paged]:
    seller, api, later = shop.vendor(), caller(Role.MEMBER, new_id()), count()
    products(shop, seller)
    come = lambda: shop.product(seller, name=f"A thing {next(later)}", category=f"A kind {next(later)}")  # noqa: E731
    go = lambda product: shop.change(seller, UUID(product), active=False)  # noqa: E731
    return [
        Paged("/products", "products", api, come, go, "product_id"),
        Paged("/products", "products", api, come, go, "product_id", query=(("sort", "-price"),)),
        Paged("/categories", "categories", api, come, None, "category_id"),
    ]


def products(shop: Shop, seller: UUID) -> list[UUID]:
    rows = [
        ProductChange(f"S{n}", f"Thing {n % 700}", "Millrace", "GROCERY", f"Kind {n}", 1_000 + n % 90, 1_000)
        for n in range(ROWS)
    ]
    with shop.db.write() as session:
        product_changes.load(session, {seller: rows}, shop.clock)
    return [catalog.product_id_of(seller, row.sku) for row in rows]


def sellers(shop: Shop, caller: Calls) -> list[Paged]:
    admin, seller = caller(Role.ADMIN, new_id()), shop.vendor()

    def suspend(vendor: str) -> None:
        admin.post(f"/vendors/{vendor}/transitions", {"to": "suspended", "reasons": ["no goods"]})

    def feed(number: int = 0) -> None:
        report = FeedReport(
            new_id(), seller, shop.clock.now(), FeedMode.GOOD_ROWS, True, number, 0, 0, number, 0, (), 0
        )
        with shop.db.write() as session:
            vendors.insert_feed(session, report, b"")

    with shop.db.write() as session:
        onboarding.onboard_all(session, {new_id(): f"Vendor {n}" for n in range(ROWS)}, shop.clock)
        for n in range(ROWS):
            report = FeedReport(new_id(), seller, shop.clock.now(), FeedMode.GOOD_ROWS, True, n, 0, 0, n, 0, (), 0)
            vendors.insert_feed(session, report, b"")
    return [
        Paged("/vendors", "vendors", admin, shop.vendor, suspend, "vendor_id", query=(("state", "active"),)),
        Paged("/vendors/{vendor_id}/feeds", "feeds", admin, feed, None, "feed_id", (str(seller),)),
    ]


def purchases(shop: Shop, caller: Calls) -> list[Paged]:
    member, product, now = shop.member(), shop.product(), shop.clock.now()
    itself, admin = caller(Role.MEMBER, member), caller(Role.ADMIN, new_id())
    draft, placed = OrderDraft((LineDraft(product, 1),), 0), list[UUID]()
    for numbers in batched(range(ROWS), DOCUMENTS):
        ids = [new_id() for _ in numbers]
        placed += ids
        with shop.db.write() as session:
            placing.place_all(session, [Request(member, draft, now, order) for order in ids])
    for some in batched(placed, DOCUMENTS):
        with shop.db.write() as session:
            for order in some:
                claims.claim(session, member, order, 1, "It said double points", shop.clock)

    def come() -> None:
        order = shop.order(member, (product, 1)).order.order_id
        with shop.db.write() as session:
            claims.claim(session, member, order, 1, "It said double points", shop.clock)

    def decide(claim: str) -> None:
        with shop.db.write() as session:
            claims.decide(session, UUID(claim), None, "It did not", shop.clock)

    return [
        Paged("/orders", "orders", itself, come, None, "order_id"),
        Paged("/wallet/lots", "lots", itself, come, None, "lot_id"),
        Paged("/wallet/claims", "claims", itself, come, None, "claim_id"),
        Paged("/claims", "claims", admin, come, decide, "claim_id"),
    ]


def brought_back(shop: Shop, caller: Calls) -> list[Paged]:
    member, product = shop.member(), shop.product()
    order = shop.order(member, (product, 2 * ROWS))
    with shop.db.write() as session:
        for _ in range(ROWS):
            returned = Return(new_id(), order.order.order_id, 1, 1, shop.clock.now(), "too small", None, 0)
            orders.insert_return(session, returned)
    api, ids = caller(Role.MEMBER, member), (str(order.order.order_id),)
    return [
        Paged("/orders/{order_id}/returns", "returns", api, lambda: shop.give_back(order, 1), None, "return_id", ids)
    ]


def payouts(shop: Shop, caller: Calls) -> list[Paged]:
    member = shop.with_points(2 * ROWS)
    itself, admin = caller(Role.MEMBER, member), caller(Role.ADMIN, new_id())
    for numbers in batched(range(ROWS), DOCUMENTS // 2):
        with shop.db.write() as session:
            for _ in numbers:
                redemption.cash_back(session, member, 1, shop.clock)
    come = lambda: shop.cash_back(member, 1)  # noqa: E731
    send = lambda payment: shop.move(UUID(payment), PaymentState.SENT)  # noqa: E731
    return [
        Paged("/redemptions", "redemptions", itself, come, None, "redemption_id"),
        Paged("/wallet/payments", "payments", itself, come, None, "payment_id"),
        Paged("/payments", "payments", admin, come, send, "payment_id"),
    ]


def program(shop: Shop, caller: Calls) -> list[Paged]:
    member = shop.with_points(2 * ROWS)
    shop.tomorrow(30)  # what starts is tried on what was sold lately
    api, admin = caller(Role.MEMBER, member), caller(Role.ADMIN, new_id())

    def subscribe() -> None:
        shop.subscribe(member, shop.offer(Subscription(points=1)))

    for _ in range(ROWS):
        subscribe()
        shop.rule(1)
    return [
        Paged("/rules", "rules", api, lambda: shop.rule(1), None, "rule_id"),
        Paged("/offers", "offers", api, subscribe, None, "offer_id"),
        Paged("/subscriptions", "subscriptions", api, subscribe, None, "subscription_id"),
        Paged("/rules/all", "rules", admin, lambda: shop.rule(1), None, "rule_id"),
        Paged("/offers/all", "offers", admin, subscribe, None, "offer_id"),
    ]


def corrected(shop: Shop, caller: Calls) -> list[Paged]:
    member = shop.member()
    for _ in range(ROWS):
        shop.correct(member, 1)
    itself, admin = caller(Role.MEMBER, member), caller(Role.ADMIN, new_id())
    return [
        Paged("/corrections", "corrections", admin, lambda: shop.correct(member, 1), None, "correction_id"),
        Paged("/wallet/corrections", "corrections", itself, lambda: shop.correct(member, 1), None, "correction_id"),
    ]


def books(shop: Shop, caller: Calls) -> list[Paged]:
    analyst, now, days = caller(Role.ANALYST, new_id()), shop.clock.now(), count()

    def night() -> None:
        report = NightlyReport(now.date(), now + timedelta(days=next(days)), 0.0, 0, 0, 0, 0, 0, 0, None)
        with shop.db.write() as session:
            nights.insert_report(session, report)

    def revise(numbers: Sequence[int] = (0,)) -> None:
        with shop.db.write() as session:
            ledger.append_all(session, "things", [("a", {"number": number}) for number in numbers])

    with shop.db.write() as session:
        for _ in range(ROWS):
            report = NightlyReport(now.date(), now + timedelta(days=next(days)), 0.0, 0, 0, 0, 0, 0, 0, None)
            nights.insert_report(session, report)
    for numbers in batched(range(ROWS), DOCUMENTS):
        revise(numbers)
    history = "/ledger/history/{table}/{document_id}"
    return [
        Paged("/nightly-runs", "runs", analyst, night),
        Paged(history, "revisions", analyst, revise, None, "version", ("things", "a")),
    ]


def hours(shop: Shop, caller: Calls) -> list[Paged]:
    seller, now = shop.vendor(), shop.clock.now()
    sold = products(shop, seller)
    for number, some in enumerate(batched(sold, 100)):
        apply(shop.db, [order_record(number, now - timedelta(hours=2), some)])
    discounted(shop, seller, sold)
    numbers = count(1_000)

    def sell() -> None:
        apply(shop.db, [order_record(next(numbers), now - timedelta(hours=2), [shop.product(seller)])])

    return [
        Paged(
            "/insights/top-sellers",
            "sellers",
            caller(Role.ANALYST, new_id()),
            sell,
            None,
            "id",
            query=(("until", now.replace(minute=0, second=0, microsecond=0).isoformat()),),
        ),
        Paged(
            "/insights/discounts/proposals",
            "discounts",
            caller(Role.VENDOR, seller),
            lambda: discounted(shop, seller, [shop.product(seller, price_minor=1_000)]),
            None,
            "discount_id",
        ),
        Paged(
            "/insights/discounts",
            "discounts",
            caller(Role.MEMBER, new_id()),
            lambda: discounted(shop, seller, [shop.product(seller, price_minor=1_000)]),
            lambda product: shop.change(seller, UUID(product), active=False),
            "product_id",
        ),
    ]


def discounted(shop: Shop, seller: UUID, sold: Sequence[UUID]) -> None:
    with shop.db.read() as session:
        hour = hour_of(shop.clock.now(), programs.program(session).zone)
    with shop.db.write() as session:
        discounts.set_terms(session, DiscountTerms(seller, Mode.ASK, 20, 100, 1_000_000))
        floors = [*discounts.floors(session, seller), *(Floor(product, 1) for product in sold)]
        discounts.set_floors(session, seller, floors)
    rows = [Discount(new_id(), seller, product, hour, 1_000, 900, 1.0, DiscountState.APPROVED) for product in sold]
    with shop.db.write() as session:
        discounts.insert(session, rows, {seller: 2**40})


def answers(shop: Shop, caller: Calls) -> list[Paged]:
    """Publish warehouse results with 10,000 rows each, many of which have equal sort values, and return their lists."""
    number = count()
    factories: dict[type[Any], Callable[[int], Any]] = {
        SegmentSize: lambda n: SegmentSize(SegmentKind.RFM, f"s{n}", 10 + n % 7, 1, 1),
        RangeAffinity: lambda n: RangeAffinity(SegmentKind.RFM, f"s{n // 3}", f"r{n % 3}", 10, 1, 1, 0.5, 1.1),
        BrandAffinity: lambda n: BrandAffinity(SegmentKind.RFM, f"s{n % 9}", f"b{n}", 10, 1, 1, 0.5, n % 11 / 7),
        Season: lambda n: Season(SalesKind.DEPARTMENT, f"d{n // 12}", Grain.MONTH, n % 12 + 1, 1, 1.1),
        AreaSales: lambda n: AreaSales(f"a{n % 9}", SalesKind.ALL, f"k{n}", 10, 1, n % 13),
        YearSales: lambda n: YearSales(2_000 + n % 9, SalesKind.ALL, f"k{n}", 10, 1, 1, n % 13),
    }
    with shop.db.write() as session:
        published.publish(session, Published(1, 1, date(2026, 3, 1), shop.clock.now()))
    for row, make in factories.items():
        write(shop, row, [make(n) for n in range(ROWS)])

    def paged(path: str, rows: str, row: type[Any]) -> Paged:
        analyst = caller(Role.ANALYST, new_id())  # each may ask so often
        return Paged(
            f"/insights/{path}", rows, analyst, lambda: write(shop, row, [factories[row](ROWS + next(number))])
        )

    return [
        paged("segments", "segments", SegmentSize),
        paged("price-ranges", "ranges", RangeAffinity),
        paged("brand-affinity", "brands", BrandAffinity),
        paged("seasonal", "seasons", Season),
        paged("areas", "areas", AreaSales),
        paged("years", "years", YearSales),
    ]


def write(shop: Shop, row: type[Any], rows: Sequence[Any]) -> None:
    names = [field.name for field in fields(row)]
    with shop.db.write() as session:
        published.write(session, row, 1, [[getattr(item, name) for name in names] for item in rows])


BUILT: dict[Callable[[Shop, Calls], list[Paged]], set[str]] = {
    catalogue: {"/products", "/categories"},
    sellers: {"/vendors", "/vendors/{vendor_id}/feeds"},
    purchases: {"/orders", "/wallet/lots", "/wallet/claims", "/claims"},
    brought_back: {"/orders/{order_id}/returns"},
    payouts: {"/redemptions", "/wallet/payments", "/payments"},
    program: {"/rules", "/rules/all", "/offers", "/offers/all", "/subscriptions"},
    corrected: {"/corrections", "/wallet/corrections"},
    books: {"/nightly-runs", "/ledger/history/{table}/{document_id}"},
    hours: {"/insights/top-sellers", "/insights/discounts/proposals", "/insights/discounts"},
    answers: {
        *("/insights/segments", "/insights/price-ranges", "/insights/brand-affinity"),
        *("/insights/seasonal", "/insights/areas", "/insights/years"),
    },
}
"""Who builds the rows of which lists."""


def test_every_list_is_tried(app: FastAPI) -> None:
    paths = {path for path, _, _ in lists(app.openapi())} - NO_LIST.keys()
    assert paths == set().union(*BUILT.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("build", BUILT, ids=lambda build: build.__name__)
def test_what_stands_throughout_is_seen_once(
    build: Callable[[Shop, Calls], list[Paged]], shop: Shop, caller: Calls
) -> None:
    built = build(shop, caller)
    assert {paged.path for paged in built} == BUILT[build]
    for paged in built:
        walked(paged)
