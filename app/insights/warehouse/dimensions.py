"""Dimension rows from the application's current tables, rebuilt with each load.

The journal can't supply them: it has no names for an imported catalogue, and it keeps members of a bulk import for
good, so an erased member would come back.
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
    """Yield each member; members without consent: id and consented=false only."""
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
    """Yield business days to the end of that year, with their number of hours: 23 or 25 on a clock change."""
    day = FIRST_DAY
    while day.year <= until.year:
        following = day + timedelta(days=1)
        starts, ends = begin_of(day, zone), begin_of(following, zone)
        hours = round((ends - starts) / timedelta(hours=1))
        yield (
            *(day, day.year, day.month, day.isocalendar().week, day.isoweekday(), hours),
            *(starts.isoformat(" "), ends.isoformat(" ")),
        )
        day = following


def _pages(page: Callable[[UUID | None], Sequence[Item]], key: Callable[[Item], UUID]) -> Iterator[Item]:
    after: UUID | None = None
    while items := page(after):
        yield from items
        after = key(items[-1])
