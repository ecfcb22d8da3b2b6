"""What describes the facts, as the application has it now; made anew with each load.

Not from the journal, for two reasons. Of an imported catalogue it keeps prices and stock and no names. And what a bulk
import says of members stays in it for good: read from there, an erased member would come back.
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
    """Of who did not consent, nothing but that they are there."""
    for one in _pages(lambda after: members.members(session, after, _A_PAGE), lambda one: one.member_id):
        told = one.consented_at is not None
        income, status = (one.income_band, one.marital_status) if told else (None, None)
        yield one.member_id, str(told).lower(), income, status


def of_products(session: Session) -> Iterator[Row]:
    for one in _pages(lambda after: catalog.products(session, after, _A_PAGE), lambda one: one.product_id):
        yield one.product_id, one.vendor_id, one.name, one.brand, one.department, one.category


def of_vendors(session: Session) -> Iterator[Row]:
    for one in _pages(lambda after: vendors.vendors(session, None, after, _A_PAGE), lambda one: one.vendor_id):
        yield one.vendor_id, one.name


def of_days(zone: ZoneInfo, until: date) -> Iterator[Row]:
    """Business days up to the end of that day's year, each with its own hours: 23 or 25 where the clocks change."""
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
    while found := page(after):
        yield from found
        after = key(found[-1])
