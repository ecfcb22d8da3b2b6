"""Exports that follow each other: each begins where the one before ended, together they are the whole ledger."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.clock import Clock
from app.db import Database, Session
from app.ledger import cursors, export, repository
from app.ledger.digests import DigestSigner
from app.ledger.export import Archive

ONE_AT_A_TIME = 7_231_004
# A block may commit a little after the time that it says it was sealed at.
GRACE = timedelta(minutes=1)
_EVER = datetime(2000, 1, 1, tzinfo=UTC)


def catch_up(db: Database, archive: Archive, signer: DigestSigner | None, clock: Clock) -> list[UUID]:
    """Complete the export that was cut short, and export what was sealed since; the ids of those it completed.

    Empty where another process is at it, or nothing was sealed.
    """
    done = []
    with db.write() as leading:
        if not repository.try_lead(leading, ONE_AT_A_TIME, in_transaction=True):
            return []
        while (following := _following(db, archive, clock)) is not None:
            export.run(db, archive, str(following), signer, clock)
            with db.write() as session:
                cursors.export_completed(session, following)
            done.append(following)
    return done


def _following(db: Database, archive: Archive, clock: Clock) -> UUID | None:
    """The one to go on with, else a new one. Its manifest is written before its row: a crash between leaves no gap."""
    with db.snapshot() as session:
        since, unfinished = cursors.last_export(session)
        if unfinished:
            return unfinished
        since, until = since or _EVER, clock.now() - GRACE
        if since >= until or not repository.object_spans(session, since, until, export.LEAVES_AN_OBJECT):
            return None
        export_id = UUID(export.start(session, archive, since, until))
    with db.write() as session:
        cursors.add_export(session, export_id, since, until)
    return export_id


def completed(session: Session, after: UUID | None) -> list[UUID]:
    """Those that follow each other and are whole, in their order, behind one of them; all of them behind None."""
    return cursors.completed_exports(session, after)
