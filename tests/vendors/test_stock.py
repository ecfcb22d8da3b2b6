"""Tests of stock numbers in feeds: however late or often a file comes, no more is sold than the vendor has."""

import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.catalog import service as catalog
from app.catalog.models import StockMeans
from app.db import Database
from app.errors import BadInput, OutOfStock
from app.vendors import intake
from app.vendors.models import Counting, FeedMode, FeedReport
from app.vendors.uploads import Upload
from tests.shop import MovingClock, Shop

HEADER = "sku,name,brand,department,category,price,stock\n"
Sends = Callable[..., FeedReport]


def file_of(stock: int | str, sku: str = "A-1") -> bytes:
    return f"{HEADER}{sku},Thing,B,D,C,1.00,{stock}\n".encode()


@pytest.fixture
def vendor(shop: Shop) -> UUID:
    return shop.vendor()


@pytest.fixture
def send(db: Database, clock: MovingClock, vendor: UUID) -> Sends:
    def sent(
        content: bytes,
        means: StockMeans = StockMeans.COUNTED,
        at: datetime | None = None,
        mode: FeedMode = FeedMode.GOOD_ROWS,
    ) -> FeedReport:
        with Upload.of(io.BytesIO(content), None) as upload:
            return intake.take(db, vendor, upload, mode, clock, Counting(means, at))

    return sent


@pytest.fixture
def product(shop: Shop, vendor: UUID, send: Sends) -> UUID:
    """Return the id of a product whose vendor has counted and stated a stock of ten."""
    send(file_of(10))
    return _id(vendor)


def _id(vendor: UUID, sku: str = "A-1") -> UUID:
    return catalog.product_id_of(vendor, sku)


def test_the_same_file_twice_leaves_what_was_not_ordered(shop: Shop, send: Sends, product: UUID) -> None:
    shop.order(shop.member(), (product, 4))
    for _ in range(3):
        report = send(file_of(10))
        assert shop.on_hand(product) == 6
    assert report.stock
    assert [
        (shortfall.row, shortfall.sku, shortfall.stated, shortfall.ordered, shortfall.left)
        for shortfall in report.stock.short
    ] == [(2, "A-1", 10, 4, 6)]
    assert report.stock.short[0].says == "10 stated, 4 of them ordered since this stock was last stated: 6 left to sell"
    assert (report.updated, report.unchanged) == (0, 1)


def test_a_new_count_without_a_time_loses_what_was_ordered_since_the_last(
    shop: Shop, send: Sends, product: UUID
) -> None:
    shop.order(shop.member(), (product, 4))
    send(file_of(12))
    assert shop.on_hand(product) == 8
    send(file_of(12))
    assert shop.on_hand(product) == 8
    send(file_of(20))
    assert shop.on_hand(product) == 20


def test_a_count_with_its_time_loses_what_was_ordered_since(
    shop: Shop, send: Sends, product: UUID, clock: MovingClock
) -> None:
    shop.order(shop.member(), (product, 1))
    clock.advance(minutes=1)
    counted_at = clock.now()
    clock.advance(minutes=1)
    shop.order(shop.member(), (product, 4))
    clock.advance(minutes=1)
    for means in StockMeans:
        for _ in range(2):
            report = send(file_of(9), means, counted_at)
            assert shop.on_hand(product) == 5
            assert report.stock
            assert report.stock.short[0].ordered == 4


def test_available_is_taken_as_it_is(shop: Shop, send: Sends, product: UUID) -> None:
    shop.order(shop.member(), (product, 4))
    report = send(file_of(10), StockMeans.AVAILABLE)
    assert shop.on_hand(product) == 10
    assert report.stock
    assert not report.stock.short
    shop.order(shop.member(), (product, 3))
    send(file_of(10))
    assert shop.on_hand(product) == 7


def test_more_ordered_than_counted_leaves_none(shop: Shop, send: Sends, product: UUID) -> None:
    shop.order(shop.member(), (product, 4))
    send(file_of(3))
    assert shop.on_hand(product) == 0


def test_a_file_without_stock_leaves_it(shop: Shop, send: Sends, product: UUID) -> None:
    shop.order(shop.member(), (product, 4))
    report = send(file_of(""))
    assert shop.on_hand(product) == 6
    assert report.stock
    assert not report.stock.short


def test_what_the_vendor_changes_by_hand_is_what_may_be_sold(
    shop: Shop, send: Sends, product: UUID, vendor: UUID
) -> None:
    shop.order(shop.member(), (product, 4))
    shop.change(vendor, product, stock=9)
    assert shop.on_hand(product) == 9
    shop.order(shop.member(), (product, 2))
    send(file_of(9))
    assert shop.on_hand(product) == 7


@pytest.mark.parametrize("off", [timedelta(seconds=1), timedelta(days=-32)])
def test_a_time_that_no_count_has_is_refused(
    send: Sends, product: UUID, shop: Shop, clock: MovingClock, off: timedelta
) -> None:
    with pytest.raises(BadInput, match="count"):
        send(file_of(99), StockMeans.COUNTED, clock.now() + off)
    assert shop.on_hand(product) == 10


_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(1, 4)),
        st.tuples(st.just("export"), st.integers(0, 5)),
        st.tuples(st.just("upload"), st.sampled_from(["", "counted", "available"])),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_EVENTS)
def test_no_file_however_late_sells_what_the_vendor_has_not(
    events: list[tuple[str, Any]], shop: Shop, send: Sends, clock: MovingClock, vendor: UUID
) -> None:
    """A vendor exports its stock, orders come, and the newest export is uploaded late or repeatedly."""
    sku = f"T{clock.now():%Y%m%d%H%M%S}"
    product, has, member = _id(vendor, sku), 10, shop.member()
    send(file_of(has, sku))
    export, at, sold_then, sold = has, clock.now(), 0, 0
    for event, value in events:
        clock.advance(minutes=1)
        if event == "order":
            try:
                shop.order(member, (product, value))
                sold += value
            except OutOfStock:
                continue
        elif event == "export":
            has += value
            export, at, sold_then = has - sold, clock.now(), sold
        elif value == "":
            send(file_of(export, sku))
        elif value == "counted":
            send(file_of(export, sku), StockMeans.COUNTED, at)
        elif sold == sold_then:
            send(file_of(export, sku), StockMeans.AVAILABLE)
        assert sold + shop.on_hand(product) <= has
    assert sold + shop.on_hand(product) <= has
    clock.advance(minutes=1)


# ── A file that came before ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_old_file_again_does_not_bring_its_old_count_back(shop: Shop, send: Sends, product: UUID) -> None:
    """File A is sent, four units are ordered, file B states fewer units, and A is sent again."""
    shop.order(shop.member(), (product, 4))
    send(file_of(7))
    assert shop.on_hand(product) == 3
    report = send(file_of(10))
    assert shop.on_hand(product) == 3
    assert report.stock
    assert "so its numbers are those of then" in report.stock.says
    assert [(row.stated, row.ordered, row.left, row.says) for row in report.stock.short] == [
        (10, None, 3, "10 stated before, 7 since: 3 left to sell")
    ]


def test_a_newer_and_higher_count_stands_too(shop: Shop, send: Sends, product: UUID) -> None:
    send(file_of(25))
    report = send(file_of(10))
    assert shop.on_hand(product) == 25
    assert report.stock
    assert [(row.ordered, row.left) for row in report.stock.short] == [(None, 25)]


def test_an_old_file_changes_all_but_the_stock(shop: Shop, send: Sends, product: UUID, db: Database) -> None:
    send(file_of(7).replace(b"1.00", b"2.00"))
    assert send(file_of(10)).updated == 1
    with db.read() as session:
        now = catalog.product(session, product)
    assert (now.price_minor, now.on_hand) == (100, 7)


def test_with_its_time_an_old_file_is_a_new_count(shop: Shop, send: Sends, product: UUID, clock: MovingClock) -> None:
    send(file_of(3))
    clock.advance(minutes=1)
    report = send(file_of(10), StockMeans.COUNTED, clock.now())
    assert shop.on_hand(product) == 10
    assert report.stock
    assert report.stock.first_sent_at is None


def test_the_report_says_when_the_file_came_first(send: Sends, product: UUID, clock: MovingClock) -> None:
    first = clock.now()
    for minutes in (1, 2):
        clock.advance(minutes=minutes)
        report = send(file_of(10))
        assert report.stock
        assert report.stock.first_sent_at == first


def test_available_again_is_what_was_available_then(shop: Shop, send: Sends, product: UUID) -> None:
    send(file_of(12), StockMeans.AVAILABLE)
    shop.order(shop.member(), (product, 5))
    for means in (StockMeans.AVAILABLE, StockMeans.COUNTED):
        send(file_of(12), means)
        assert shop.on_hand(product) == 7


def test_a_file_that_was_refused_is_no_file_that_came_before(shop: Shop, send: Sends, product: UUID) -> None:
    bad = file_of(12) + b"B-2,Thing,B,D,C,dear,1\n"
    assert not send(bad, mode=FeedMode.ALL_OR_NOTHING).applied
    report = send(bad)
    assert shop.on_hand(product) == 12
    assert report.stock
    assert report.stock.first_sent_at is None


def test_another_vendors_same_file_is_another(
    shop: Shop, send: Sends, product: UUID, db: Database, clock: MovingClock
) -> None:
    other = shop.vendor()
    with Upload.of(io.BytesIO(file_of(10)), None) as upload:
        report = intake.take(db, other, upload, FeedMode.GOOD_ROWS, clock)
    assert shop.on_hand(_id(other)) == 10
    assert report.stock
    assert report.stock.first_sent_at is None


_FILES = st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True)
_UPLOADS = st.lists(
    st.one_of(st.tuples(st.just("order"), st.integers(1, 6)), st.tuples(st.just("file"), st.integers(0, 3)))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=_FILES, steps=_UPLOADS, means=st.sampled_from(StockMeans))
def test_no_order_of_uploads_sells_more_than_the_newest_count(
    counts: list[int],
    steps: list[tuple[str, int]],
    means: StockMeans,
    shop: Shop,
    send: Sends,
    clock: MovingClock,
    vendor: UUID,
) -> None:
    """The newest count is in the file whose first upload was last; any file that is uploaded again is older."""
    sku = f"U{clock.now():%Y%m%d%H%M%S}"
    product, member, newest, since = _id(vendor, sku), shop.member(), counts[0], 0
    send(file_of(counts[0], sku), means)
    assert shop.on_hand(product) == newest
    came = {0}
    for step, number in steps:
        clock.advance(minutes=1)
        if step == "file" and number < len(counts):
            send(file_of(counts[number], sku), means)
            if number not in came:
                newest, since = counts[number], 0
            came.add(number)
        elif step == "order":
            try:
                shop.order(member, (product, number))
                since += number
            except OutOfStock:
                continue
        assert shop.on_hand(product) <= max(newest - since, 0)
        assert since <= newest
    clock.advance(minutes=1)


# ── SKUs that are the vendor's already ──────────────────────────────────────────────────────────────────────────────


def test_a_sku_in_another_spelling_is_the_same_product(shop: Shop, send: Sends, product: UUID, caller: Any) -> None:
    report = send(file_of(12, "a-1 "))
    assert (report.created, report.updated) == (0, 1)
    assert shop.on_hand(product) == 12


def test_two_spellings_in_a_file_are_one_sku(send: Sends) -> None:
    rows = file_of(10, "x-1") + file_of(10, "X-1").split(b"\n")[1] + b"\n"
    report = send(rows)
    assert [(error.row, error.code) for error in report.errors] == [(3, "repeated")]


@pytest.mark.parametrize("mode", FeedMode)
def test_a_sku_that_lost_its_zeros_is_named(send: Sends, shop: Shop, mode: FeedMode) -> None:
    send(file_of(5, "00123"))
    rows = file_of(9, "123") + b"B-2,Thing,B,D,C,1.00,1\n"
    report = send(rows, mode=mode)
    assert [(error.row, error.column, error.code) for error in report.errors] == [(2, "sku", "damaged-sku")]
    assert "00123" in report.errors[0].fix
    assert report.created == (1 if mode is FeedMode.GOOD_ROWS else 0)


def test_a_sku_of_digits_that_the_vendor_has_too_is_no_damage(send: Sends) -> None:
    send(file_of(5, "123"))
    send(file_of(5, "0123"))
    assert send(file_of(9, "123")).updated == 1
