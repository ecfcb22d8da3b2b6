"""Consecutive exports: each begins where the one before ended, and together they hold the whole ledger."""

from datetime import datetime
from uuid import UUID

from app import locks
from app.clock import Clock
from app.db import Database, Session, WriteSession
from app.errors import UnderWay
from app.ledger import archive as archives
from app.ledger import export_repository, repository
from app.ledger.archive import Archive, Span
from app.ledger.digests import DigestSigner
from app.ledger.export_repository import FollowingExport

BLOCKS_AN_EXPORT = 20_000  # at five a second, what an hour seals


def catch_up(db: Database, archive: Archive, signer: DigestSigner | None, clock: Clock) -> list[UUID]:
    """Complete the export that was interrupted, then export blocks sealed since; return the completed exports' ids.

    Returns nothing if another process is exporting or no block was sealed.
    """
    with db.write() as leading:
        if not repository.lock_if_free(leading, locks.EXPORTING, in_transaction=True):
            return []
        return _catch_up(leading, db, archive, signer, clock)


def repair(db: Database, archive: Archive, signer: DigestSigner | None, clock: Clock) -> list[UUID]:
    """Make the archive whole: export blocks that no export holds, and write missing objects of existing exports.

    Returns the ids of the exports that it made or mended, those of `catch_up` included. Raises UnderWay if another
    process is exporting.
    """
    with db.write() as leading:
        if not repository.lock_if_free(leading, locks.EXPORTING, in_transaction=True):
            raise UnderWay("the ledger is being exported; try again when that is done")
        with db.write() as session:
            gaps = export_repository.gaps(session)
            broken = [
                export
                for export in export_repository.exports(session)
                if not archives.is_whole(archive, export.export_id)
            ]
        repaired = [_start(db, archive, first, last) for first, last in gaps]
        for export in [*repaired, *broken]:
            _complete(db, archive, export, signer, clock)
        done = [export.export_id for export in [*repaired, *broken]]
        return done + _catch_up(leading, db, archive, signer, clock)


def last_begun(session: Session) -> datetime | None:
    """Return when the newest completed export began; None before any."""
    return export_repository.last_begun(session)


def completed(session: Session, after: int | None) -> list[UUID]:
    """Return the ids of completed exports that hold blocks after `after`, in block order; of all after None."""
    return export_repository.completed_beyond(session, -1 if after is None else after)


def _catch_up(
    leading: WriteSession, db: Database, archive: Archive, signer: DigestSigner | None, clock: Clock
) -> list[UUID]:
    done = []
    while (following := _following(db, archive)) is not None:
        leading.value("SELECT true")  # raises where the lock is gone with its connection
        _complete(db, archive, following, signer, clock)
        done.append(following.export_id)
    return done


def _following(db: Database, archive: Archive) -> FollowingExport | None:
    """Return the unfinished export, else start one that ends at the newest block that readers see."""
    with db.read() as session:
        newest = repository.newest_block(session)
    with db.write() as session:
        unfinished = export_repository.unfinished(session)
        first = export_repository.next_block(session)
    if unfinished is not None:
        return unfinished
    if newest is None or newest < first:
        return None
    return _start(db, archive, first, min(newest, first + BLOCKS_AN_EXPORT - 1))


def _start(db: Database, archive: Archive, first: int, last: int) -> FollowingExport:
    """Write the manifest before the row, so that a crash between them leaves no gap."""
    with db.snapshot() as session:
        export_id = archives.start(session, archive, archives.numbered(session, first, last))
    started = FollowingExport(export_id, first, last)
    with db.write() as session:
        export_repository.add(session, started)
    return started


def _complete(
    db: Database, archive: Archive, following: FollowingExport, signer: DigestSigner | None, clock: Clock
) -> None:
    if not archives.is_started(archive, following.export_id):
        with db.snapshot() as session:
            span: Span = archives.numbered(session, following.first_block, following.last_block)
            archives.start(session, archive, span, following.export_id)
    archives.run(db, archive, str(following.export_id), signer, clock)
    with db.write() as session:
        export_repository.complete(session, following.export_id)
