"""Taking returns, and looking at orders."""

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
from app.orders.models import Bought, CameBack, Line, Order, Placed, Return, Sold
from app.program import service as programs
from app.wallet import returned_points
from app.wallet import service as wallets


class ReturnRefused(Conflict):
    """Its errors name each term that is not met, as `return_terms.final_sale`."""

    code, title = "return-refused", "The terms of the purchase refuse this return"
    sample = "it was sold as a final sale"
    sample_errors = (FieldError("return_terms.final_sale", "term-not-met", sample),)


_LINES_AT_ONCE, _ORDERS_AT_ONCE = 2_000, 200


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
    """Take units of a line back and remove exactly their rewards. When all of the order is back, its voucher's use is.

    A member may return what the terms frozen at the purchase allow; the line's vendor may accept any units. What of the
    points is taken back is as the terms say, for either.

    Raises NotFound (another's order too), BadInput (more than bought), ReturnRefused, Conflict (vendor not active).
    """
    if vendor_id is not None:
        catalog.lock_active_vendors(session, [vendor_id])
    found, buyer = repository.lock_line(session, order_id, line)
    if found is None or buyer is None or (member_id or buyer) != buyer:
        raise NotFound(f"there is no line {line} of an order {order_id} of yours")
    if vendor_id not in (None, found.vendor_id):
        raise NotFound(f"there is no line {line} of an order {order_id} that you sold")
    kept_reason = standing.lock_words(session, buyer, reason)
    program, return_id, now = programs.program(session), new_id(), clock.now()
    today = local_date(now, program.zone)
    _must_be_left(found, units)
    if member_id is not None:
        _must_meet(found, ReturnRequest(units, found.returned_units, reason_code, today, found.matures_on))
    policy = found.return_terms.policy or program.return_policy
    due.write(session, buyer, now)
    taken = returned_points.take_back(session, program.zone, policy, buyer, order_id, line, units, now, return_id)
    returned = Return(return_id, order_id, line, units, now, kept_reason, taken.points, reason_code)
    repository.insert_return(session, returned)
    if repository.is_all_back(session, order_id):
        _give_voucher_back(session, order_id, buyer)
    ledger.append(session, "returns", returned.return_id, {**returned.__dict__, "member_id": buyer, "taken": taken})
    return returned


def _give_voucher_back(session: WriteSession, order_id: UUID, member_id: UUID) -> None:
    """The use can be had again, unless the return policy left points of the voucher with the member."""
    lots = wallets.lots_of_order(session, order_id)
    kept = {lot.rule_id for lot in lots if returned_points.leaves_points(lot)}
    offers.give_vouchers_back(session, {lot.rule_id for lot in lots if lot.rule_id} - kept, member_id)


def _must_be_left(line: Line, units: int) -> None:
    left = line.units - line.returned_units
    if units > left:
        raise BadInput(
            f"{units} units can't come back: {line.units} were bought, {line.returned_units} are back already",
            [FieldError("units", "more-than-bought", f"at most {left}")],
        )


def _must_meet(line: Line, request: ReturnRequest) -> None:
    """Raises ReturnRefused."""
    if refusals := line.return_terms.refusals(request):
        raise ReturnRefused("; ".join(refusal.message for refusal in refusals), refusals)


def order(session: Session, order_id: UUID, member_id: UUID) -> Placed:
    """Raises NotFound for another member's order too."""
    found = repository.order(session, order_id)
    if found is None or found.member_id != member_id:
        raise NotFound(f"you have no order {order_id}")
    return Placed(found, repository.lines(session, order_id), wallets.lots_of_order(session, order_id))


def has_line(session: Session, order_id: UUID, line: int, member_id: UUID) -> bool:
    """Whether the order is the member's and has that line."""
    return repository.has_line(session, order_id, line, member_id)


def lock_line(session: WriteSession, order_id: UUID, line: int) -> Line:
    """Lock the line until the transaction ends. Raises NotFound."""
    found, _ = repository.lock_line(session, order_id, line)
    if found is None:
        raise NotFound(f"there is no line {line} of an order {order_id}")
    return found


def returns(session: Session, order_id: UUID, after: UUID | None, limit: int) -> list[Return]:
    """What came back of an order, oldest first."""
    return repository.returns_of(session, order_id, after, limit)


def orders(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Order]:
    """A member's orders, newest first."""
    return repository.orders_of(session, member_id, after, limit)


def lines_sold(session: Session, since: datetime, until: datetime, most: int) -> int:
    """How many order lines were bought in [since, until), counted no further than `most`."""
    return repository.count_sold(session, since, until, most)


def bought(session: Session, since: datetime, until: datetime) -> Iterator[list[Bought]]:
    """What was bought in [since, until), in the order of time, two hundred orders at once. Needs a transaction."""
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


def top_departments(session: Session, member_id: UUID, limit: int) -> list[str]:
    """Where a member bought most units, returned ones not counted."""
    return repository.top_departments(session, member_id, limit)
