"""Load the Complete Journey data set: vendors, products and members in bulk, then each basket as an order.

Orders and returns keep the times of the data set. Before the first of each business day, the nightly calculation runs.
Each transaction also stores how far the load has come, so an interrupted load resumes, and a repeated one does nothing.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.catalog import product_changes
from app.catalog import service as catalog
from app.catalog.models import ProductChange
from app.clock import FixedClock, local_date
from app.db import Database, Session, WriteSession
from app.ids import dated_id, derived_id
from app.ledger.service import DOCUMENTS_A_TRANSACTION
from app.local import journey
from app.local.journey import Basket, GivenBack, Goods, Household, Journey
from app.members import service as members
from app.members.models import Member
from app.money import written
from app.night import service as nightly
from app.orders import placing
from app.orders import service as orders
from app.orders.models import Charge, LineDraft, OrderDraft, Placed, Request
from app.program import service as programs
from app.vendors import service as vendors

ZONE = ZoneInfo(journey.TIME_ZONE)
BEGIN = FixedClock(datetime(2017, 1, 1, 5, tzinfo=UTC))  # midnight in New York
PRODUCTS_A_TRANSACTION = 15_000
CURRENCY = "USD"
PAID = "paid, minor units"
"""The name under which `Load.counts` has the money paid."""


@dataclass
class Load:
    """The progress of a load: `position` events are loaded. `counts` has totals over all runs.

    This run took `preparing` and `replaying` seconds, and replayed `replayed` events.
    """

    position: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    preparing: float = 0.0
    replaying: float = 0.0
    replayed: int = 0

    @property
    def events_a_second(self) -> float:
        return self.replayed / self.replaying if self.replaying else 0.0


def load(db: Database, weeks: int, console: Console, source: Journey | None = None) -> Load:
    """Load the first `weeks` weeks of the data set, except events loaded already; print counts and times."""
    begun = time.monotonic()
    with console.status("reading the Complete Journey …"):
        source = source or journey.read()
    with db.read() as session:
        loaded = _stored(session)
    if loaded is None:
        loaded = furnish(db, source, console)
    end = source.events_in(weeks)
    if loaded.position >= end:
        console.print(f"{weeks} weeks of shopping are loaded already.")
        return loaded
    prepared = time.monotonic()
    loaded.preparing, loaded.replayed = prepared - begun, end - loaded.position
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("replaying baskets and returns", total=end, completed=loaded.position)
        for _ in _replay(db, source, loaded, end):
            bar.update(task, completed=loaded.position)
    loaded.replaying = time.monotonic() - prepared
    console.print(_summary(source, loaded))
    return loaded


def _stored(session: Session) -> Load | None:
    rows = session.rows("SELECT position, counts FROM loads WHERE name = %s", (journey.SOURCE,))
    return Load(rows[0][0], Counter(rows[0][1])) if rows else None


def _keep(session: WriteSession, done: Load) -> None:
    session.run(
        """INSERT INTO loads (name, position, counts) VALUES (%s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET position = excluded.position, counts = excluded.counts""",
        (journey.SOURCE, done.position, Jsonb(done.counts)),
    )


def furnish(db: Database, source: Journey, console: Console) -> Load:
    """Load the loyalty program's settings, vendors, products and members. A repeated call changes nothing."""
    with console.status(f"loading {len(source.goods):,} products and {len(source.households):,} households …"):
        with db.write() as session:
            program = programs.program(session)
            # Points don't expire: those of 2017 would all have expired by now.
            changes = {"time_zone": journey.TIME_ZONE, "currency": CURRENCY, "expire_after_days": None}
            programs.change(session, type(program)(**{**program.__dict__, **changes}), BEGIN)
            makers = {vendor_id(goods.vendor): f"Manufacturer {goods.vendor}" for goods in source.goods}
            vendors.onboard_all(session, makers, BEGIN)
            members.join_all(session, [_member(household) for household in source.households])
        goods = iter(source.goods)
        while part := list(islice(goods, PRODUCTS_A_TRANSACTION)):
            with db.write() as session:
                product_changes.load(session, _by_vendor(part), BEGIN)
        with db.write() as session:
            done = Load()
            _keep(session, done)
    return done


def _member(household: Household) -> Member:
    """Return the member for a household; the member has consented to recommendations if the income band is known."""
    has_demographics = household.income_band is not None
    return Member(
        member_id=member_id(household.number),
        name=f"Household {household.number}",
        income_band=household.income_band,
        marital_status=household.marital_status,
        consented_at=BEGIN.now() if has_demographics else None,
        joined_at=BEGIN.now(),
    )


def _by_vendor(goods: list[Goods]) -> dict[UUID, list[ProductChange]]:
    changes: dict[UUID, list[ProductChange]] = defaultdict(list)
    for item in goods:
        changes[vendor_id(item.vendor)].append(
            ProductChange(
                sku=str(item.number),
                name=item.name,
                brand=item.brand,
                department=item.department,
                category=item.category,
                price_minor=item.price_minor,
                stock=item.stock,
                return_window_days=item.window_days,
            )
        )
    return changes


@cache
def product_id(number: int, manufacturer: int) -> UUID:
    return catalog.product_id_of(vendor_id(manufacturer), str(number))


@cache
def vendor_id(manufacturer: int) -> UUID:
    return derived_id(journey.SOURCE, "vendor", str(manufacturer))


def member_id(household: int) -> UUID:
    return derived_id(journey.SOURCE, "household", str(household))


def order_id(basket: int, at: datetime) -> UUID:
    return dated_id(at, journey.SOURCE, "basket", str(basket))


def _replay(db: Database, source: Journey, done: Load, end: int) -> Iterator[None]:
    """Load events up to number `end`; after each transaction, update `done` and yield."""
    sellers = {goods.number: goods.vendor for goods in source.goods}
    day: date | None = None
    for batch in _batches(source.events(done.position, end)):
        today = local_date(batch[0].at, ZONE)
        if day != today:
            nightly.run(db, FixedClock(batch[0].at))
            day = today
        counts: Counter[str] = Counter()
        with db.write() as session:
            # A crash may lose the newest transactions together with their position: the next load repeats them.
            session.run("SET LOCAL synchronous_commit = off")
            baskets = [_request(event, sellers) for event in batch if isinstance(event, Basket)]
            for placed in placing.place_all(session, baskets) if baskets else []:
                counts.update(_bought(placed))
            for event in batch:
                if isinstance(event, GivenBack):
                    counts.update(_give_back(session, event))
            done.position += len(batch)
            done.counts.update(counts)
            _keep(session, done)
        yield


def _batches(events: Iterator[Basket | GivenBack]) -> Iterator[list[Basket | GivenBack]]:
    """Yield lists of consecutive events: each list is of one business day and fits into one transaction.

    A transaction may append 40 ledger documents: one for each event, and two more for lots of points that are
    confirmed or expire.
    """
    batch: list[Basket | GivenBack] = []
    for event in events:
        full = len(batch) == DOCUMENTS_A_TRANSACTION - 2
        if batch and (full or local_date(event.at, ZONE) != local_date(batch[0].at, ZONE)):
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch


def _request(basket: Basket, sellers: dict[int, int]) -> Request:
    lines = tuple(
        LineDraft(
            product_id(line.product, sellers[line.product]), line.units, Charge(line.gross_minor, line.discount_minor)
        )
        for line in basket.lines
    )
    draft = OrderDraft(lines, area=f"store-{basket.store}", reference=f"{journey.SOURCE}:{basket.number}")
    return Request(member_id(basket.household), draft, basket.at, order_id(basket.number, basket.at))


def _bought(placed: Placed) -> dict[str, int]:
    return {
        "baskets": 1,
        "lines": len(placed.lines),
        PAID: placed.order.paid_minor,
        "points earned": sum(lot.points for lot in placed.lots),
    }


def _give_back(session: WriteSession, event: GivenBack) -> dict[str, int]:
    taken = orders.give_back(
        session,
        order_id(event.basket, event.bought_at),
        event.line,
        event.units,
        "added to the data by a seeded rule",
        FixedClock(event.at),
    )
    return {"returns": 1, "units returned": event.units, "points removed": taken.points}


def _summary(source: Journey, done: Load) -> Table:
    table = Table(title="The Complete Journey", show_header=False, title_justify="left")
    for name, count in done.counts.items():
        table.add_row(*("paid", written(count, CURRENCY)) if name == PAID else (name, f"{count:,}"))
    table.add_section()
    for name, count in source.decisions.items():
        table.add_row(f"in the whole year: {name}", f"{count:,}")
    table.add_section()
    table.add_row("seconds to read it and load products", f"{done.preparing:.1f}")
    table.add_row("seconds to replay", f"{done.replaying:.1f}")
    table.add_row("baskets and returns a second", f"{done.events_a_second:,.0f}")
    return table
