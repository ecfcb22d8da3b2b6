"""Record returns of order lines, and read orders with their lines and returns."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby, islice
from typing import Any
from uuid import UUID

from app import ledger
from app.catalog import service as catalog
from app.catalog.return_terms import ReturnReason, ReturnRequest, ReturnTerms
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.errors import BadInput, Conflict, FieldError, NotFound
from app.ids import new_id
from app.members import standing
from app.offers import due
from app.offers import service as offers
from app.orders import repository
from app.orders.models import Bought, CameBack, Line, Placed, Return, Sold
from app.program import service as programs
from app.wallet import clawback
from app.wallet import service as wallets


class ReturnRefused(Conflict):
    """Raised if the return terms of a purchase forbid a return; each error's `field` names one of the terms."""

    code, title = "return-refused", "The terms of the purchase refuse this return"
    sample = "it was sold as a final sale"
    sample_errors = (FieldError("return_terms.final_sale", "term-not-met", sample),)


_LINES_AT_ONCE, _ORDERS_AT_ONCE = 2_000, 200

has_line = repository.has_line
orders = repository.orders_of
returns = repository.returns_of
lines_sold = repository.count_sold
top_departments = repository.top_departments
ids_of = repository.ids_of
return_ids_of = repository.return_ids_of
areas_of_nobody_else = repository.areas_of_nobody_else
erase = repository.erase


def give_back(
    session: WriteSession,
    order_id: UUID,
    line: int,
    units: int,
    reason: str,
    clock: Clock,
    *,
    reason_code: ReturnReason | None = None,
    member_id: UUID | None = None,
    vendor_id: UUID | None = None,
) -> Return:
    """Record and return a return of an order line's units, and take back the points that they earned.

    Once all of the order is returned, the uses of its vouchers are given back too. The buyer (`member_id`) may return
    what the purchase's terms allow; the seller (`vendor_id`) may accept any units. Raises NotFound for a line of
    another buyer or seller, BadInput for more units than are left, ReturnRefused if the terms are not met, and Conflict
    if the vendor is not active.
    """
    if vendor_id is not None:
        catalog.lock_active_vendors(session, [vendor_id])
    bought, buyer = repository.lock_line(session, order_id, line)
    if bought is None or buyer is None or (member_id or buyer) != buyer:
        raise NotFound(f"there is no line {line} of an order {order_id} of yours")
    if vendor_id not in (None, bought.vendor_id):
        raise NotFound(f"there is no line {line} of an order {order_id} that you sold")
    kept_reason = standing.lock_words(session, buyer, reason)
    program, return_id, now = programs.program(session), new_id(), clock.now()
    today = local_date(now, program.zone)
    _must_be_left(bought, units)
    if member_id is not None:
        request = ReturnRequest(units, bought.returned_units, reason_code, today, bought.matures_on)
        if refusals := bought.return_terms.refusals(request):
            raise ReturnRefused("; ".join(refusal.message for refusal in refusals), refusals)
    policy = bought.return_terms.policy or program.return_policy
    due.write(session, buyer, now)
    taken = clawback.take_back(session, program.zone, policy, buyer, order_id, line, units, now, return_id)
    returned = Return(return_id, order_id, line, units, now, kept_reason, reason_code, taken.points)
    repository.insert_return(session, returned)
    if repository.is_all_back(session, order_id):
        _give_voucher_back(session, order_id, buyer)
    ledger.append(session, "returns", returned.return_id, {**returned.__dict__, "member_id": buyer, "taken": taken})
    return returned


def _give_voucher_back(session: WriteSession, order_id: UUID, member_id: UUID) -> None:
    """Give the member a use of each of the order's vouchers back, except of vouchers whose points the member keeps."""
    lots = wallets.lots_of_order(session, order_id)
    kept = {lot.rule_id for lot in lots if clawback.leaves_points(lot)}
    offers.give_vouchers_back(session, {lot.rule_id for lot in lots if lot.rule_id} - kept, member_id)


def _must_be_left(line: Line, units: int) -> None:
    left = line.units - line.returned_units
    if units > left:
        raise BadInput(
            f"{units} units can't come back: {line.units} were bought, {line.returned_units} are back already",
            [FieldError("units", "more-than-bought", f"at most {left}")],
        )


def order(session: Session, order_id: UUID, member_id: UUID) -> Placed:
    """Return a member's order with its lines and lots. Raises NotFound, also for another member's order."""
    order = repository.order(session, order_id)
    if order is None or order.member_id != member_id:
        raise NotFound(f"you have no order {order_id}")
    return Placed(order, repository.lines(session, order_id), wallets.lots_of_order(session, order_id))


def lock_line(session: WriteSession, order_id: UUID, line: int) -> Line:
    """Lock an order line until the transaction ends, and return it. Raises NotFound."""
    locked, _ = repository.lock_line(session, order_id, line)
    if locked is None:
        raise NotFound(f"there is no line {line} of an order {order_id}")
    return locked


def bought(session: Session, since: datetime, until: datetime) -> Iterator[list[Bought]]:
    """Yield the orders placed in [since, until), oldest first, in lists of at most 200, with lines and returns."""
    parts = repository.stream_sold(session, since, until, _LINES_AT_ONCE)
    rows = (row for part in parts for row in part)
    orders = (_bought(head, lines) for head, lines in groupby(rows, key=lambda row: row[:4]))
    while batch := list(islice(orders, _ORDERS_AT_ONCE)):
        yield _with_returns(session, batch)


def _bought(head: tuple[Any, ...], lines: Iterable[tuple[Any, ...]]) -> Bought:
    order_id, member_id, placed_at, day = head
    return Bought(order_id, member_id, placed_at, day, [Sold(*line[4:]) for line in lines])


def _with_returns(session: Session, batch: Sequence[Bought]) -> list[Bought]:
    came_back = [order.order_id for order in batch if any(line.returned_units for line in order.lines)]
    returns: dict[UUID, list[CameBack]] = defaultdict(list)
    for order_id, line, units, at, terms in repository.units_back(session, came_back) if came_back else ():
        returns[order_id].append(CameBack(line, units, at, ReturnTerms(terms).policy))
    return [replace(order, returns=returns[order.order_id]) if order.order_id in returns else order for order in batch]
