"""SQL of the ledger's consecutive exports: which blocks each contains, and whether it is completed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.db import Session, WriteSession

_EXPORT = "export_id, first_block, last_block, completed"


@dataclass(frozen=True)
class FollowingExport:
    """An export of blocks `first_block` to `last_block`, both included; if `completed`, the archive has all of them."""

    export_id: UUID
    first_block: int
    last_block: int
    completed: bool = False


def exports(session: Session) -> list[FollowingExport]:
    """Return all exports, ordered by their first block."""
    return session.all(FollowingExport, f"SELECT {_EXPORT} FROM journal_block_exports ORDER BY first_block")


def unfinished(session: Session) -> FollowingExport | None:
    """Return the first export that is not completed, None if all are."""
    return session.one(
        FollowingExport, f"SELECT {_EXPORT} FROM journal_block_exports WHERE NOT completed ORDER BY first_block LIMIT 1"
    )


def last_begun(session: Session) -> datetime | None:
    """Return when the newest completed export began, by the time in its id (UUID version 7); None if there is none."""
    at: datetime | None = session.value(
        """SELECT to_timestamp(('x' || left(replace(export_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
           FROM journal_block_exports WHERE completed ORDER BY last_block DESC LIMIT 1"""
    )
    return at


def completed_beyond(session: Session, block: int) -> list[UUID]:
    """Return the ids of completed exports with blocks after `block`, ordered by their first block."""
    rows = session.rows(
        "SELECT export_id FROM journal_block_exports WHERE completed AND last_block > %s ORDER BY first_block", (block,)
    )
    return [export_id for (export_id,) in rows]


def next_block(session: Session) -> int:
    """Return the number of the block that the next export begins with."""
    return int(session.value("SELECT coalesce(max(last_block) + 1, 0) FROM journal_block_exports"))


def gaps(session: Session) -> list[tuple[int, int]]:
    """Return the ranges (first, last) of blocks that are in no export, although later blocks are."""
    return session.rows(
        """SELECT lower(run), upper(run) - 1
           FROM (SELECT unnest(int8multirange(int8range(0, max(last_block) + 1))
                               - range_agg(int8range(first_block, last_block + 1))) AS run
                 FROM journal_block_exports) AS runs
           ORDER BY 1"""
    )


def add(session: WriteSession, export: FollowingExport) -> None:
    session.run(
        f"INSERT INTO journal_block_exports ({_EXPORT}) VALUES (%(export_id)s, %(first_block)s, %(last_block)s, false)",
        vars(export),
    )


def complete(session: WriteSession, export_id: UUID) -> None:
    session.run("UPDATE journal_block_exports SET completed = true WHERE export_id = %s", (export_id,))
