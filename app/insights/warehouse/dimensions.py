"""Rows of the warehouse's dimension tables, read from the application's current tables at each load.

The ledger can't supply these rows: it lacks the names of products from an imported catalogue, and it keeps
bulk-imported members for ever, so that an erased member would come back.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from app.catalog import service as catalog
from app.db import Session
from app.insights.warehouse.staging import Row
from app.members import service as members
from app.times import begin_of
from app.vendors import service as vendors

FIRST_DAY = date(2010, 1, 1)
_A_PAGE = 10_000
Item = TypeVar("Item")


def of_members(session: Session) -> Iterator[Row]:
    """Yield the rows of all members; those of members without consent have only the id and consented=false."""
    for member in _pages(lambda after: members.members(session, after, _A_PAGE), lambda member: member.member_id):
        consented = member.consented_at is not None
        income, status = (member.income_band, member.marital_status) if consented else (None, None)
        yield member.member_id, str(consented).lower(), income, status


def of_products(session: Session) -> Iterator[Row]:
    for product in _pages(lambda after: catalog.products(session, after, _A_PAGE), lambda product: product.product_id):
        yield product.product_id, product.vendor_id, product.name, product.brand, product.department, product.category


def of_vendors(session: Session) -> Iterator[Row]:
    for vendor in _pages(lambda after: vendors.vendors(session, None, after, _A_PAGE), lambda vendor: vendor.vendor_id):
        yield vendor.vendor_id, vendor.name


def of_days(zone: ZoneInfo, until: date) -> Iterator[Row]:
    """Yield the days from 2010 to the end of the year of `until`, each with its begin, end and number of hours."""
    day = FIRST_DAY
    while day.year <= until.year:
        following = day + timedelta(days=1)
        starts, ends = begin_of(day, zone), begin_of(following, zone)
        hours = round((ends - starts) / timedelta(hours=1))
        _, week, weekday = day.isocalendar()
        yield day, day.year, day.month, week, weekday, hours, starts.isoformat(" "), ends.isoformat(" ")
        day = following


def _pages(page: Callable[[UUID | None], Sequence[Item]], key: Callable[[Item], UUID]) -> Iterator[Item]:
    """Yield the items of all pages; `page` reads the items after an id, `key` returns an item's id."""
    after: UUID | None = None
    while items := page(after):
        yield from items
        after = key(items[-1])
