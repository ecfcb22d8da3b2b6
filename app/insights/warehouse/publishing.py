"""Run the warehouse's queries, and publish their results in the application's tables."""

from collections.abc import Sequence
from datetime import date
from itertools import chain
from typing import Any

from app.clock import Clock
from app.db import Database
from app.insights.warehouse import repository
from app.insights.warehouse.models import MODELS, Published
from app.insights.warehouse.runner import Row, Sql, Warehouse, query
from app.insights.warehouse.thresholds import LEAST_MEMBERS, LEAST_UNITS

PREPARED = ("product_range", "member_profile")
"""Warehouse tables that the published queries read; each is filled by the query of the same name, in this order."""

_ROWS_A_TRANSACTION = 5_000


def prepare(warehouse: Warehouse) -> None:
    """Empty and refill the warehouse tables in PREPARED, which the published queries read."""
    fills = [(Sql(f"DELETE FROM warehouse.{name}"), query(name, least=LEAST_MEMBERS)) for name in PREPARED]
    warehouse.run([*chain.from_iterable(fills)])


def run(warehouse: Warehouse, model: str) -> list[Row]:
    """Return the rows of the query `queries/<model>.sql`."""
    return warehouse.rows(query(model, least=LEAST_MEMBERS, units=LEAST_UNITS))


def publish(warehouse: Warehouse, db: Database, clock: Clock) -> Published | None:
    """Run all queries over the blocks loaded so far, and publish all results together; None if nothing was sold yet.

    The caller must hold the advisory lock of loads, so that only one process publishes at a time.
    """
    as_of = warehouse.rows(Sql("SELECT max(block), cast(max(business_date) AS varchar(10)) FROM warehouse.fact_sales"))
    if as_of[0][0] is None:
        return None
    block = warehouse.rows(Sql("SELECT max(last_block) FROM warehouse.loads"))[0][0]
    prepare(warehouse)
    with db.write() as session:
        generation = repository.new_generation(session)
    for row, model in MODELS.items():
        _write(db, row, generation, run(warehouse, model.query))
    published = Published(generation, block, date.fromisoformat(as_of[0][1]), clock.now())
    with db.write() as session:
        repository.publish(session, published)
    _forget(db, generation)
    return published


def _write(db: Database, row: type[Any], generation: int, rows: Sequence[Row]) -> None:
    for start in range(0, len(rows), _ROWS_A_TRANSACTION):
        with db.write() as session:
            repository.write(session, row, generation, rows[start : start + _ROWS_A_TRANSACTION])


def _forget(db: Database, generation: int) -> None:
    for table in (model.table for model in MODELS.values()):
        deleted = _ROWS_A_TRANSACTION
        while deleted == _ROWS_A_TRANSACTION:
            with db.write() as session:
                deleted = repository.forget_others(session, table, generation, _ROWS_A_TRANSACTION)
