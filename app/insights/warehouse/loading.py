"""Load the warehouse: the facts of each new ledger export in one transaction, then the dimensions.

The table `warehouse.loads` lists the loaded exports. An export's row is committed with its facts, so that each block is
loaded once, even after an interruption. After a restore of the application's database the warehouse may be ahead of the
ledger: what it has of lost blocks is unloaded first.
"""

from collections import Counter
from dataclasses import dataclass, field

from app import locks
from app.clock import Clock, local_date
from app.db import Database, Session
from app.errors import BadInput, NotFound, UnderWay
from app.insights.warehouse import dimensions, exported, publishing
from app.insights.warehouse.exported import Place
from app.insights.warehouse.models import Published
from app.insights.warehouse.runner import Copy, Sql, Warehouse, script
from app.insights.warehouse.shredding import DOCUMENTS, RETURNS, SALES, Shredder
from app.insights.warehouse.staging import Staging
from app.ledger import exports
from app.ledger import service as journal
from app.ledger.archive import Archive
from app.ledger.records import b64
from app.program import service as programs


@dataclass(frozen=True)
class Source:
    """What a load reads from: the database, the archive of exports, the staging bucket and the clock."""

    db: Database
    archive: Archive
    staging: Staging
    clock: Clock


@dataclass
class Loaded:
    """The result of a load: last block and row counts; `skipped` counts revisions not loaded, by their ledger table."""

    block: int | None = None
    exports: int = 0
    sales: int = 0
    returns: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def bring_up(warehouse: Warehouse, source: Source) -> tuple[Loaded, Published | None]:
    """Load the exports completed since the last load, then publish query results (None if nothing was sold yet).

    Raises BadInput if an export is incomplete, malformed or out of order, and then loads nothing of it. Raises UnderWay
    if another load is running, Unavailable for a passing fault of the warehouse, WarehouseRefused for a lasting one.
    """
    done = Loaded()
    with source.db.write() as leading:
        if not leading.lock_if_free(locks.LOADING):
            raise UnderWay("the warehouse is being loaded already")
        warehouse.run(script("schema.sql"))
        source.staging.sweep()
        place = _unload_lost(warehouse, leading)
        with source.db.read() as session:
            following = exports.completed(session, place.block if place else None)
        for export_id in following:
            place = load_export(warehouse, source, str(export_id), place, done)
        _describe(warehouse, source)
        done.block = place.block if place else None
        return done, publishing.publish(warehouse, source.db, source.clock)


def load_export(warehouse: Warehouse, source: Source, export_id: str, since: Place | None, done: Loaded) -> Place:
    """Load an export's blocks after the position `since`, add row counts to `done`, and return the new position."""
    with source.db.read() as session:
        shredder = Shredder(programs.program(session).zone)
    export = exported.find(source.archive, export_id)
    with source.staging.opened() as batch:
        for block in exported.blocks(source.archive, export, since):
            for table, row in shredder.rows(block):
                batch.add(table, row)
        copies = [Copy(table, batch.table(table)) for table in (SALES, RETURNS, DOCUMENTS)]
        merge = script(
            "merge.sql",
            first_block=export.first_block,
            last_block=export.end.block,
            last_hash=export.end.hash,
            tree_size=export.end.tree_size,
            export_id=export_id,
        )
        warehouse.run([*script("stage.sql"), *copies, *merge])
    done.exports += 1
    done.sales += copies[0].staged.rows
    done.returns += copies[1].staged.rows
    done.skipped.update(shredder.skipped)
    return export.end if since is None or export.end.block > since.block else since


def _unload_lost(warehouse: Warehouse, session: Session) -> Place | None:
    """Delete what was loaded of blocks that the ledger lacks; return the newest place that is left, None if none is.

    `session` must be on the writer, because a read replica may lack the newest blocks.
    """
    rows = warehouse.rows(Sql("SELECT last_block, last_hash, tree_size FROM warehouse.loads ORDER BY last_block DESC"))
    places = [Place(*row) for row in rows]
    kept = next((place for place in places if _is_in_ledger(session, place)), None)
    if places and kept != places[0]:
        warehouse.run(script("unload.sql", last_block=kept.block if kept else -1))
    return kept


def _is_in_ledger(session: Session, place: Place) -> bool:
    try:
        return b64(journal.block(session, place.block).hash) == place.hash
    except NotFound:
        return False


def _describe(warehouse: Warehouse, source: Source) -> None:
    with source.staging.opened() as batch, source.db.snapshot() as session:
        zone = programs.program(session).zone
        described = {
            "dim_member": dimensions.of_members(session),
            "dim_product": dimensions.of_products(session),
            "dim_vendor": dimensions.of_vendors(session),
            "dim_date": dimensions.of_days(zone, local_date(source.clock.now(), zone)),
        }
        steps: list[Sql | Copy] = []
        for name, rows in described.items():
            table = f"warehouse.{name}"
            steps += [Sql(f"DELETE FROM {table}"), Copy(table, batch.table(name, rows))]
        warehouse.run([*steps, *script("analyze.sql")])
    if strangers := warehouse.rows(script("strangers.sql")[0])[0][0]:
        raise BadInput(f"{strangers} lines of orders name a product, vendor, member or day that the application lacks")
