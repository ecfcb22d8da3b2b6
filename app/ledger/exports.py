"""Consecutive exports: each begins with the block after the last of the previous one; together they hold the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from app import locks
from app.clock import Clock
from app.db import Database, Session, WriteSession
from app.errors import UnderWay
from app.ledger import archive as archives
from app.ledger import export_repository, repository
from app.ledger.archive import Archive
from app.ledger.digests import DigestSigner
from app.ledger.export_repository import FollowingExport

BLOCKS_AN_EXPORT = 20_000  # slightly more than are sealed in an hour, at five a second


def catch_up(db: Database, archive: Archive, signer: DigestSigner | None, clock: Clock) -> list[UUID]:
    """Complete an interrupted export, then export all blocks sealed since; return the completed exports' ids.

    Returns an empty list if another process is exporting, or if there is nothing to export.
    """
    with db.write() as transaction:
        if not transaction.lock_if_free(locks.EXPORTING):
            return []
        return _catch_up(transaction, db, archive, signer, clock)


def repair(db: Database, archive: Archive, signer: DigestSigner | None, clock: Clock) -> list[UUID]:
    """Export skipped blocks, write missing objects of existing exports, then export all blocks sealed since.

    Returns the ids of all exports completed or repaired. Raises UnderWay if another process is exporting.
    """
    with leading(db) as transaction:
        with db.write() as session:
            gaps = export_repository.gaps(session)
            exports = export_repository.exports(session)
            broken = [export for export in exports if not archives.is_whole(archive, export.export_id)]
        repaired = [*(_start(db, archive, first, last) for first, last in gaps), *broken]
        for export in repaired:
            _complete(db, archive, export, signer, clock)
        return [export.export_id for export in repaired] + _catch_up(transaction, db, archive, signer, clock)


@contextmanager
def leading(db: Database) -> Iterator[WriteSession]:
    """Yield a transaction that holds the lock of exports until it ends. Raises UnderWay if another process holds it."""
    with db.write() as transaction:
        if not transaction.lock_if_free(locks.EXPORTING):
            raise UnderWay("the ledger is being exported; try again when that is done")
        yield transaction


def last_begun(session: Session) -> datetime | None:
    """Return when the newest completed export began, None if there is none."""
    return export_repository.last_begun(session)


def completed(session: Session, after: int | None) -> list[UUID]:
    """Return the ids, in block order, of completed exports with blocks after `after`; None means of all of them."""
    return export_repository.completed_beyond(session, -1 if after is None else after)


def _catch_up(
    transaction: WriteSession, db: Database, archive: Archive, signer: DigestSigner | None, clock: Clock
) -> list[UUID]:
    done = []
    while (following := _following(db, archive)) is not None:
        transaction.value("SELECT true")  # raises if the connection, and the lock with it, is lost
        _complete(db, archive, following, signer, clock)
        done.append(following.export_id)
    return done


def _following(db: Database, archive: Archive) -> FollowingExport | None:
    """Return the export to complete next: an unfinished one, else a new one; None if there are no new blocks."""
    with db.read() as session:
        newest = repository.last_block(session)  # of the read replica, which the export is written from
    with db.write() as session:
        unfinished = export_repository.unfinished(session)
        first = export_repository.next_block(session)
    if unfinished is not None:
        return unfinished
    if newest is None or newest.sequence < first:
        return None
    return _start(db, archive, first, min(newest.sequence, first + BLOCKS_AN_EXPORT - 1))


def _start(db: Database, archive: Archive, first: int, last: int) -> FollowingExport:
    """Start an export: write its manifest, then its database row; after a crash in between, the manifest is unused."""
    started = FollowingExport(_write_manifest(db, archive, first, last), first, last)
    with db.write() as session:
        export_repository.add(session, started)
    return started


def _write_manifest(db: Database, archive: Archive, first: int, last: int, export_id: UUID | None = None) -> UUID:
    with db.snapshot() as session:
        return archives.start(session, archive, archives.numbered(session, first, last), export_id)


def _complete(
    db: Database, archive: Archive, following: FollowingExport, signer: DigestSigner | None, clock: Clock
) -> None:
    if not archives.is_started(archive, following.export_id):
        _write_manifest(db, archive, following.first_block, following.last_block, following.export_id)
    archives.run(db, archive, following.export_id, signer, clock)
    with db.write() as session:
        export_repository.complete(session, following.export_id)
