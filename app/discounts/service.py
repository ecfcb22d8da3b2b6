"""Discounts by the hour: a vendor's terms, deciding on what is proposed, taking at the checkout, and stopping."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from app import ledger
from app.catalog import service as catalog
from app.clock import Clock
from app.db import Session, WriteSession
from app.discounts import repository
from app.discounts.models import (
    DISCOUNT,
    Deal,
    Discount,
    DiscountEvent,
    DiscountState,
    DiscountTerms,
    Floor,
    Mode,
    Running,
)
from app.errors import BadInput, Conflict, FieldError, NotFound
from app.ids import new_id
from app.program import service as programs
from app.times import AN_HOUR, hour_of

STOPPABLE = DISCOUNT.was(DiscountEvent.STOP, DiscountState.STOPPED)
Deals = Mapping[UUID, Deal]
"""What a product costs in an hour, where it is less than usual."""


def terms(session: Session, vendor_id: UUID) -> tuple[DiscountTerms, list[Floor]]:
    """A vendor that said nothing has no discounts."""
    found = repository.terms(session, vendor_id) or DiscountTerms(vendor_id, Mode.OFF, 10, 10, 0)
    return found, repository.floors(session, vendor_id)


def set_terms(session: WriteSession, allowed: DiscountTerms, floors: Sequence[Floor], clock: Clock) -> None:
    """What counts from the next proposals on; switched off, what runs ends at once.

    Raises BadInput where a floor is for a product of somebody else, Conflict where the vendor is not active, and
    NotFound where there is none: the terms refer to it, which the database asks first.
    """
    repository.set_terms(session, allowed)
    catalog.lock_active_vendors(session, [allowed.vendor_id])
    if foreign := repository.set_floors(session, allowed.vendor_id, floors):
        places = [place for place, floor in enumerate(floors) if floor.product_id in foreign]
        errors = [FieldError(f"floors.{place}.product_id", "unknown-product", "is not yours") for place in places]
        raise BadInput("; ".join(f"{error.field} {error.message}" for error in errors), errors)
    if allowed.mode is Mode.OFF:
        repository.stop_running(session, _hour(session, clock), allowed.vendor_id, STOPPABLE)
    ledger.append(session, "discount_terms", allowed.vendor_id, {**vars(allowed), "floors": len(floors)})


stopped = repository.stopped
proposed_of = repository.proposed_of


def insert(session: WriteSession, picked: Sequence[Discount], budgets: Mapping[UUID, int]) -> None:
    """Keep what was picked for an hour, and what each vendor's hour may cost in all."""
    repository.insert(session, picked, budgets)
    hour = picked[0].hour
    ledger.append_items(session, "discounts", f"{hour:%Y-%m-%dT%H}-{new_id()}", picked, hour=hour)


def of_vendor(
    session: Session, vendor_id: UUID, clock: Clock, after: tuple[datetime, UUID] | None, limit: int
) -> list[Discount]:
    """This hour's and the next's, by hour and product."""
    return repository.of_vendor(session, vendor_id, _hour(session, clock), after, limit)


def decide(session: WriteSession, vendor_id: UUID, discount_id: UUID, clock: Clock, *, approve: bool) -> Discount:
    """Raises NotFound for what is not the vendor's, Conflict where it was decided before or its hour is over.

    Raises Conflict for a vendor that is not active, too.
    """
    catalog.lock_active_vendors(session, [vendor_id])
    found = repository.hold(session, discount_id)
    if found is None or found.vendor_id != vendor_id or found.state is DiscountState.CONTROL:
        raise NotFound(f"you have no discount {discount_id}")
    event = DiscountEvent.APPROVE if approve else DiscountEvent.DECLINE
    state = DISCOUNT.move(found.state, event)
    if found.hour + AN_HOUR <= clock.now():
        raise Conflict(f"the hour of discount {discount_id} is over")
    if approve and repository.stopped(session):
        raise Conflict("discounts are switched off")
    decided = replace(found, state=state)
    DISCOUNT.must_move(repository.move(session, discount_id, state, DISCOUNT.was(event, state)))
    ledger.append(session, "discounts", discount_id, decided)
    return decided


def switch(session: WriteSession, clock: Clock, *, stopped: bool) -> int:
    """Stop every discount at once, or let new ones be proposed again; how many were stopped."""
    repository.set_switch(session, stopped=stopped)
    ended = repository.stop_running(session, _hour(session, clock), None, STOPPABLE) if stopped else 0
    ledger.append(session, "discount_switch", "switch", {"stopped": stopped, "at": clock.now(), "ended": ended})
    return ended


def running(
    session: Session, clock: Clock, after: tuple[str, UUID] | None = None, limit: int | None = None
) -> list[Running]:
    """What costs less this hour, as far as its vendor's budget goes, by name and product: all, or those behind one."""
    return repository.running(session, _hour(session, clock), after, limit)


# ── at the checkout ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Wanted:
    """Units of a product, at its list price, that an order asks for."""

    product_id: UUID
    units: int
    list_minor: int


def deals(session: Session, version: str, here: ZoneInfo, at: datetime) -> Deals:
    """By the program's version, which moves when discounts change: an order asks the database for nothing.

    `here` is the program's zone, whose hours they are of.
    """
    hour = hour_of(at, here)
    found: Deals = session.remembered(
        "discounts", (version, hour), lambda: {one.product_id: one for one in repository.approved(session, hour)}
    )
    return found


def granted(session: Session, deals: Deals, wanted: Iterable[Wanted]) -> dict[UUID, int]:
    """The price of each product whose discount its vendor's budget still holds, all lines of a vendor or none.

    In a transaction that writes, the budget is taken.
    """
    by_vendor: dict[UUID, dict[UUID, int]] = defaultdict(dict)
    off: Counter[UUID] = Counter()
    for one in wanted:
        deal = deals.get(one.product_id)
        price = deal.price(one.list_minor) if deal else one.list_minor
        if deal and price < one.list_minor:
            by_vendor[deal.vendor_id][one.product_id] = price
            off[deal.vendor_id] += (one.list_minor - price) * one.units
    prices: dict[UUID, int] = {}
    for vendor_id, discounted in sorted(by_vendor.items()):
        hour = deals[next(iter(discounted))].hour
        if _holds(session, vendor_id, hour, off[vendor_id]):
            prices.update(discounted)
    return prices


def _holds(session: Session, vendor_id: UUID, hour: datetime, off_minor: int) -> bool:
    if isinstance(session, WriteSession):
        return repository.take(session, vendor_id, hour, off_minor)
    return repository.left(session, vendor_id, hour) >= off_minor


# ── afterwards ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _hour(session: Session, clock: Clock) -> datetime:
    """This hour's begin: hours are whole in the program's zone."""
    return hour_of(clock.now(), programs.zone(session))
