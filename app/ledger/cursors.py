"""All SQL of the positions of the journal's streams and anchored digests; exports have `export_repository`."""

from dataclasses import dataclass
from datetime import datetime

from app.db import Session, WriteSession
from app.ledger.models import Block

_STREAM = "name, kinesis, inclusive_start, exclusive_end, next_block, kinesis_made_at, completed"


@dataclass(frozen=True)
class Stream:
    """Blocks sealed in [inclusive_start, exclusive_end) that go to a Kinesis stream; None means no bound.

    `next_block` is the first block not sent yet, None before any was. `kinesis_made_at` tells a Kinesis stream from one
    that was deleted and created again under the same name.
    """

    name: str
    kinesis: str
    inclusive_start: datetime | None
    exclusive_end: datetime | None
    next_block: int | None = None
    kinesis_made_at: datetime | None = None
    completed: bool = False


def stream(session: Session, name: str) -> Stream | None:
    return session.one(Stream, f"SELECT {_STREAM} FROM journal_streams WHERE name = %s", (name,))


def streams(session: Session) -> list[Stream]:
    return session.all(Stream, f"SELECT {_STREAM} FROM journal_streams ORDER BY name")


def add(session: WriteSession, stream: Stream) -> bool:
    """Insert a stream; return false if its name is taken."""
    return bool(
        session.count(
            f"""INSERT INTO journal_streams ({_STREAM})
                VALUES (%(name)s, %(kinesis)s, %(inclusive_start)s, %(exclusive_end)s, NULL, NULL, false)
                ON CONFLICT DO NOTHING""",
            stream.__dict__,
        )
    )


def move(session: WriteSession, name: str, next_block: int, kinesis_made_at: datetime) -> None:
    session.run(
        "UPDATE journal_streams SET next_block = %s, kinesis_made_at = %s WHERE name = %s",
        (next_block, kinesis_made_at, name),
    )


def complete(session: WriteSession, name: str) -> None:
    session.run("UPDATE journal_streams SET completed = true WHERE name = %s", (name,))


def first_block_at(session: Session, start: datetime | None) -> int:
    """Return the first block sealed at or after `start`; if there is none, the number that the next block will have."""
    return int(
        session.value(
            """SELECT coalesce(min(sequence), (SELECT coalesce(max(sequence) + 1, 0) FROM journal_blocks))
               FROM journal_blocks WHERE %(start)s::timestamptz IS NULL OR sealed_at >= %(start)s""",
            {"start": start},
        )
    )


def first_block_not_applied(session: Session) -> int:
    """Return the first block that has a revision which a consumer of the stream has not applied."""
    return int(
        session.value(
            """WITH missing AS (SELECT coalesce(min(first_missing), 0) AS leaf FROM stream_applied)
               SELECT coalesce((SELECT min(sequence) FROM journal_blocks WHERE tree_size > leaf),
                               (SELECT max(sequence) + 1 FROM journal_blocks), 0) FROM missing"""
        )
    )


def anchored(session: WriteSession, tree_size: int, key: str) -> None:
    """Record that the newest digest is stored outside the database now."""
    session.run(
        """INSERT INTO journal_anchors (tree_size, key, anchored_at) VALUES (%s, %s, now())
           ON CONFLICT (only_one) DO UPDATE SET tree_size = greatest(journal_anchors.tree_size, excluded.tree_size),
               key = greatest(journal_anchors.key, excluded.key), anchored_at = excluded.anchored_at""",
        (tree_size, key),
    )


def beyond(block: Block, end: datetime | None) -> bool:
    return end is not None and block.sealed_at >= end
