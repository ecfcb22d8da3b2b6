"""Set vendors' discount terms, decide on proposed discounts, price orders at the checkout, and stop discounts."""

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
"""Approved discounts of an hour, by product id."""

stopped = repository.stopped
proposed_of = repository.proposed_of


def terms(session: Session, vendor_id: UUID) -> tuple[DiscountTerms, list[Floor]]:
    """Return a vendor's discount terms (by default, discounts are off) and price floors."""
    terms = repository.terms(session, vendor_id) or DiscountTerms(vendor_id, Mode.OFF, 10, 10, 0)
    return terms, repository.floors(session, vendor_id)


def set_terms(session: WriteSession, terms: DiscountTerms, floors: Sequence[Floor], clock: Clock) -> None:
    """Set a vendor's discount terms and price floors; mode OFF also stops the vendor's running discounts at once.

    Raises BadInput if a floor is for another vendor's product, Conflict if the vendor is not active, and NotFound if
    there is no such vendor.
    """
    repository.set_terms(session, terms)
    catalog.lock_active_vendors(session, [terms.vendor_id])
    if foreign := repository.set_floors(session, terms.vendor_id, floors):
        errors = [
            FieldError(f"floors.{position}.product_id", "unknown-product", "is not yours")
            for position, floor in enumerate(floors)
            if floor.product_id in foreign
        ]
        raise BadInput("; ".join(f"{error.field} {error.message}" for error in errors), errors)
    if terms.mode is Mode.OFF:
        repository.stop_running(session, _hour(session, clock), terms.vendor_id, STOPPABLE)
    ledger.append(session, "discount_terms", terms.vendor_id, {**vars(terms), "floors": len(floors)})


def insert(session: WriteSession, discounts: Sequence[Discount], budgets: Mapping[UUID, int]) -> None:
    """Store one hour's discounts and vendors' budgets for that hour, and append the discounts to the ledger."""
    repository.insert(session, discounts, budgets)
    hour = discounts[0].hour
    ledger.append_items(session, "discounts", f"{hour:%Y-%m-%dT%H}-{new_id()}", discounts, hour=hour)


def of_vendor(
    session: Session, vendor_id: UUID, clock: Clock, after: tuple[datetime, UUID] | None, limit: int
) -> list[Discount]:
    """Return a vendor's discounts for this and later hours, by hour and product id, without the control group's."""
    return repository.of_vendor(session, vendor_id, _hour(session, clock), after, limit)


def decide(session: WriteSession, vendor_id: UUID, discount_id: UUID, clock: Clock, *, approve: bool) -> Discount:
    """Approve or decline a proposed discount. Raises NotFound for another vendor's discount.

    Raises Conflict if it was decided before, its hour is over, discounts are stopped, or the vendor is not active.
    """
    catalog.lock_active_vendors(session, [vendor_id])
    discount = repository.lock_discount(session, discount_id)
    if discount is None or discount.vendor_id != vendor_id or discount.state is DiscountState.CONTROL:
        raise NotFound(f"you have no discount {discount_id}")
    event = DiscountEvent.APPROVE if approve else DiscountEvent.DECLINE
    state = DISCOUNT.move(discount.state, event)
    if discount.hour + AN_HOUR <= clock.now():
        raise Conflict(f"the hour of discount {discount_id} is over")
    if approve and repository.stopped(session):
        raise Conflict("discounts are switched off")
    decided = replace(discount, state=state)
    DISCOUNT.must_move(repository.move(session, discount_id, state, DISCOUNT.was(event, state)))
    ledger.append(session, "discounts", discount_id, decided)
    return decided


def switch(session: WriteSession, clock: Clock, *, stopped: bool) -> int:
    """Stop all discounts and new proposals at once, or allow both again; return the number of discounts stopped."""
    repository.set_switch(session, stopped=stopped)
    ended = repository.stop_running(session, _hour(session, clock), None, STOPPABLE) if stopped else 0
    ledger.append(session, "discount_switch", "switch", {"stopped": stopped, "at": clock.now(), "ended": ended})
    return ended


def running(
    session: Session, clock: Clock, after: tuple[str, UUID] | None = None, limit: int | None = None
) -> list[Running]:
    """Return this hour's approved discounts that the vendor's remaining budget covers, by product name and id."""
    return repository.running(session, _hour(session, clock), after, limit)


# ── at the checkout ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class PricedLine:
    """An order line: a product, its units, and its list price per unit."""

    product_id: UUID
    units: int
    list_minor: int


def deals(session: Session, version: str, zone: ZoneInfo, at: datetime) -> Deals:
    """Return the approved discounts of the hour that contains `at`, by product id; `zone` is the program's time zone.

    The discounts are cached until `version` changes. Every change of the program or of a discount changes this version.
    """
    hour = hour_of(at, zone)
    deals: Deals = session.remembered(
        "discounts", (version, hour), lambda: {deal.product_id: deal for deal in repository.approved(session, hour)}
    )
    return deals


def granted(session: Session, deals: Deals, lines: Iterable[PricedLine]) -> dict[UUID, int]:
    """Return the discounted unit prices of an order's lines, by product id.

    A vendor whose budget can't pay for all its lines gives no discount. With a WriteSession, the amounts are subtracted
    from the budgets; with a read session, the budgets are only checked.
    """
    by_vendor: dict[UUID, dict[UUID, int]] = defaultdict(dict)
    off: Counter[UUID] = Counter()
    for line in lines:
        deal = deals.get(line.product_id)
        price = deal.price(line.list_minor) if deal else line.list_minor
        if deal and price < line.list_minor:
            by_vendor[deal.vendor_id][line.product_id] = price
            off[deal.vendor_id] += (line.list_minor - price) * line.units
    prices: dict[UUID, int] = {}
    for vendor_id, discounted in sorted(by_vendor.items()):
        hour = deals[next(iter(discounted))].hour
        if _take_or_check(session, vendor_id, hour, off[vendor_id]):
            prices.update(discounted)
    return prices


def _take_or_check(session: Session, vendor_id: UUID, hour: datetime, off_minor: int) -> bool:
    if isinstance(session, WriteSession):
        return repository.take(session, vendor_id, hour, off_minor)
    return repository.left(session, vendor_id, hour) >= off_minor


def _hour(session: Session, clock: Clock) -> datetime:
    return hour_of(clock.now(), programs.zone(session))
