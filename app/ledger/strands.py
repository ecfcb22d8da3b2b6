"""The journal's strands: after a restore of the database the journal goes on in a new strand (`recovery.py`).

A block's strand and number together name it. Lost blocks have the numbers of blocks that came after the restore, but
another strand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db import Session, WriteSession
from app.ids import new_id
from app.ledger.models import STRAND

_STRAND = "strand, first_block, first_leaf, opened_at"


@dataclass(frozen=True)
class Strand:
    """A strand, the number of its first block, and the number of the first revision in that block.

    A strand that a restore lost altogether has no blocks here: the next one begins with the same block.
    """

    strand: str
    first_block: int
    first_leaf: int
    opened_at: datetime


def strands(session: Session) -> list[Strand]:
    """Return all strands, oldest first; blocks are added to the last one."""
    return session.all(Strand, f"SELECT {_STRAND} FROM journal_strands ORDER BY first_block, opened_at, strand")


def current(session: Session) -> Strand:
    return strands(session)[-1]


def open_next(session: WriteSession, first_block: int, first_leaf: int, lost: Sequence[str]) -> str:
    """Add a strand that begins with these numbers, and return its name. `lost` are strands that the ledger lacks."""
    name = f"{STRAND}-{new_id()}"  # names sort by time, and so do strands that begin with the same block
    session.run(
        """INSERT INTO journal_strands (strand, first_block, first_leaf)
           SELECT strand, %s, %s FROM unnest(%s::text[]) AS strand""",
        (first_block, first_leaf, [*lost, name]),
    )
    return name


@dataclass(frozen=True)
class Blocks:
    """The blocks that the ledger has: by strand, the number of the first block and of the one after the last.

    The last strand is the current one. The end of the current strand is None as long as the ledger has no block.
    """

    spans: dict[str, tuple[int, int | None]]

    def has(self, strand: str, block: int) -> bool:
        first, end = self.spans.get(strand, (0, 0))
        return first <= block and (end is None or block < end)

    def lost(self, strand: str, block: int) -> bool:
        """Return whether the ledger lacks the block, and no recovery has told of that yet."""
        if strand not in self.spans:
            return True
        first, end = self.spans[strand]
        return strand == [*self.spans][-1] and block >= (first if end is None else end)


def blocks(session: Session) -> Blocks:
    rows = session.rows(
        """SELECT strand, first_block, coalesce(lead(first_block) OVER (ORDER BY first_block, opened_at, strand),
                                                (SELECT max(sequence) + 1 FROM journal_blocks))
           FROM journal_strands ORDER BY first_block, opened_at, strand"""
    )
    return Blocks({strand: (first, end) for strand, first, end in rows})
