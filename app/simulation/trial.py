"""Replay past purchases without a rule or offer and with it, by the code that computes the points of real orders.

Purchases and their returns are replayed in order of time. Caps begin unused at the first replayed purchase; as for real
orders, points that a return takes back no longer count towards them. No I/O.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from heapq import heappop, heappush
from itertools import count
from uuid import UUID

from app.clock import local_date
from app.earning.calculation import Grant, grants, returned_share, within_caps
from app.earning.caps import Room
from app.earning.earners import Covering, Earner, Purchase, by_target, covering
from app.orders.models import Bought, CameBack, Sold
from app.program.models import Program, ReturnPolicy

Rivals = Callable[[Bought, Sold], Sequence[Earner]]
"""A function that returns the other rules and offers that covered a line when it was bought."""
Given = dict[UUID, int]
"""Points by the id of the rule or offer."""


@dataclass(frozen=True)
class Uses:
    """The most times that a voucher may be used: in total, and by one member."""

    most: int
    most_of_member: int


@dataclass
class World:
    """One replay, with or without the simulated rule or offer: points given and taken back, and what caps allow."""

    room: Room = field(default_factory=Room)
    given: Counter[UUID] = field(default_factory=Counter)
    back: Counter[UUID] = field(default_factory=Counter)

    def give(self, order: Bought, granted: Sequence[Grant]) -> dict[int, Given]:
        """Give an order its points in this replay, as far as caps allow; return them by line number and rule."""
        day = order.business_date
        self.room.add((grant.earner, order.member_id, day) for grant in granted)
        lines: dict[int, Given] = {}
        for grant, points in within_caps(granted, self.room, order.member_id, day):
            self.given[grant.earner.earner_id] += points
            lines.setdefault(grant.purchase.line, {})[grant.earner.earner_id] = points
        return lines

    def take_back(self, line: "_Line", line_points: Given, units: int) -> None:
        for earner_id, points in line_points.items():
            returned = returned_share(points, line.units, line.back, units)
            self.back[earner_id] += returned
            self.room.give_back(earner_id, line.member_id, line.day, returned)


@dataclass
class _Line:
    """An order line that has returns, with the units returned so far (`back`).

    Its points are those of two replays: `without` and `beside` the simulated rule or offer.
    """

    member_id: UUID
    day: date
    units: int
    without: Given
    beside: Given
    back: int = 0


@dataclass
class Tally:
    """Totals of what the simulated rule or offer gives. `largest` is the line with most, as (points, order, line)."""

    lines: int = 0
    orders: int = 0
    paid_minor: int = 0
    members: set[UUID] = field(default_factory=set)
    by_vendor: Counter[UUID] = field(default_factory=Counter)
    by_department: Counter[str] = field(default_factory=Counter)
    by_day: Counter[date] = field(default_factory=Counter)
    largest: tuple[int, UUID, int] | None = None
    largest_order: int = 0

    def add(self, order: Bought, points: dict[int, int]) -> None:
        """Add an order to the totals; `points` has what the simulated rule or offer gives, by line number."""
        self.orders += 1
        self.members.add(order.member_id)
        self.by_day[order.business_date] += sum(points.values())
        self.largest_order = max(self.largest_order, sum(points.values()))
        for line in order.lines:
            if gift := points.get(line.line):
                self.lines += 1
                self.paid_minor += line.paid_minor
                self.by_vendor[line.vendor_id] += gift
                self.by_department[line.department] += gift
                if self.largest is None or gift > self.largest[0]:
                    self.largest = (gift, order.order_id, line.line)


class Trial:
    """The simulation of one rule or offer: a replay of all purchases without it, and one with it.

    An order that the rule or offer does not cover earns the same in both replays, so it is counted but not replayed. If
    other rules or offers have caps (`capped`), all orders are replayed, because the caps may be used up differently.
    """

    def __init__(
        self, program: Program, earner: Earner, rivals: Rivals, uses: Uses | None = None, *, capped: bool = True
    ) -> None:
        self.without, self.beside, self.tally = World(), World(), Tally()
        self.orders = self.lines = self.paid_minor = 0
        self._program, self._earner, self._rivals, self._capped = program, earner, rivals, capped
        self._covering: Covering = by_target([earner])
        self._uses, self._used, self._used_by = uses, 0, Counter[UUID]()
        self._returns: list[tuple[datetime, int, _Line, int]] = []
        self._numbers, self._day = count(), date.min

    def buy(self, order: Bought, *, names_voucher: bool = False) -> None:
        """Replay an order. `names_voucher` is true if the order used a voucher other than the simulated one."""
        self._returns_until(order.placed_at)
        self._begin(order.business_date)
        self.orders += 1
        self.lines += len(order.lines)
        self.paid_minor += sum(line.paid_minor for line in order.lines)
        may_use = self._may_use(order.member_id, names_voucher=names_voucher)
        covered = {line.line for line in order.lines if covering(self._covering, line)} if may_use else set()
        if covered or self._capped:
            self._give(order, covered)

    def _give(self, order: Bought, covered: set[int]) -> None:
        without, beside = self._granted(order, covered)
        earner_id = self._earner.earner_id
        given = self.beside.give(order, beside)
        points = {line: gifts[earner_id] for line, gifts in given.items() if earner_id in gifts}
        if points:
            self._use(order.member_id)
            self.tally.add(order, points)
        self._await_returns(order, self.without.give(order, without), given)

    def end(self) -> None:
        """End the replay: take back the points of returns later than the last purchase."""
        self._returns_until(None)

    def _granted(self, order: Bought, covered: set[int]) -> tuple[list[Grant], list[Grant]]:
        """Return an order's points before caps (grants): first without the simulated rule or offer, then with it."""
        without, beside = [], []
        for line in order.lines:
            purchase, rivals = self._purchase(line), self._rivals(order, line)
            alone = grants(purchase, rivals)
            without += alone
            beside += grants(purchase, [*rivals, self._earner]) if line.line in covered else alone
        return without, beside

    def _purchase(self, line: Sold) -> Purchase:
        return Purchase.of(
            *(line.line, line, line.units),
            gross_minor=line.gross_minor,
            discount_minor=line.discount_minor,
            points_minor=line.points_minor,
            base=self._program.earning_base,
        )

    def _may_use(self, member_id: UUID, *, names_voucher: bool) -> bool:
        if self._uses is None:
            return True
        left = self._used < self._uses.most and self._used_by[member_id] < self._uses.most_of_member
        return left and not names_voucher

    def _use(self, member_id: UUID) -> None:
        if self._uses:
            self._used += 1
            self._used_by[member_id] += 1

    def _begin(self, day: date) -> None:
        if day != self._day:
            for world in (self.without, self.beside):
                world.room.forget(self._day)
            self._day = day

    def _await_returns(self, order: Bought, without: dict[int, Given], beside: dict[int, Given]) -> None:
        lines: dict[int, _Line] = {}
        for back in order.returns:
            bought = order.lines[back.line - 1]
            if back.line not in lines:
                gifts = (without.get(back.line, {}), beside.get(back.line, {}))
                lines[back.line] = _Line(order.member_id, order.business_date, bought.units, *gifts)
            if self._takes_back(bought, back):
                heappush(self._returns, (back.at, next(self._numbers), lines[back.line], back.units))

    def _takes_back(self, bought: Sold, back: CameBack) -> bool:
        only_pending = (back.policy or self._program.return_policy) is ReturnPolicy.ONLY_PENDING
        return not only_pending or local_date(back.at, self._program.zone) < bought.matures_on

    def _returns_until(self, at: datetime | None) -> None:
        while self._returns and (at is None or self._returns[0][0] <= at):
            _, _, bought, units = heappop(self._returns)
            self.without.take_back(bought, bought.without, units)
            self.beside.take_back(bought, bought.beside, units)
            bought.back += units
