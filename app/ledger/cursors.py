"""SQL of the ledger's Kinesis streams and their positions, and of the newest digest stored in S3."""

from dataclasses import dataclass
from datetime import datetime

from app.db import Session, WriteSession

_STREAM = "name, kinesis, inclusive_start, exclusive_end, next_block, kinesis_made_at, completed"


@dataclass(frozen=True)
class Stream:
    """A stream that sends the blocks sealed in [inclusive_start, exclusive_end) to Kinesis; None means no bound.

    `next_block` is the first block not sent yet, None if none was sent. `kinesis_made_at` is the Kinesis stream's
    creation time, which tells whether the Kinesis stream was deleted and created again under the same name.
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
    """Insert a stream; return false, and change nothing, if its name is taken."""
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


def send_again(session: WriteSession, name: str) -> None:
    """Let a stream go on with the first block that the insights have not applied, if it has gone past it."""
    session.run(
        "UPDATE journal_streams SET next_block = least(next_block, %s) WHERE name = %s",
        (first_block_not_applied(session), name),
    )


def complete(session: WriteSession, name: str) -> None:
    session.run("UPDATE journal_streams SET completed = true WHERE name = %s", (name,))


def first_block_at(session: Session, start: datetime | None) -> int:
    """Return the number of the first block sealed at or after `start`; if there is none yet, that of the next block."""
    return int(
        session.value(
            """SELECT coalesce(min(sequence), (SELECT coalesce(max(sequence) + 1, 0) FROM journal_blocks))
               FROM journal_blocks WHERE %(start)s::timestamptz IS NULL OR sealed_at >= %(start)s""",
            {"start": start},
        )
    )


def first_block_not_applied(session: Session) -> int:
    """Return the number of the first block with a revision that the insights stream's consumer has not applied."""
    return int(
        session.value(
            """WITH missing AS (SELECT coalesce(min(first_missing), 0) AS leaf FROM stream_applied)
               SELECT coalesce((SELECT min(sequence) FROM journal_blocks WHERE tree_size > leaf),
                               (SELECT max(sequence) + 1 FROM journal_blocks), 0) FROM missing"""
        )
    )


def newest_anchor(session: Session) -> int:
    """Return the tree size of the newest anchored digest that the database knows; 0 if it knows none."""
    return int(session.value("SELECT coalesce(max(tree_size), 0) FROM journal_anchors"))


def anchored(session: WriteSession, tree_size: int, key: str) -> None:
    """Record the tree size and S3 key of the newest digest stored in S3, with the present time."""
    session.run(
        """INSERT INTO journal_anchors (tree_size, key, anchored_at) VALUES (%s, %s, now())
           ON CONFLICT (only_one) DO UPDATE SET tree_size = greatest(journal_anchors.tree_size, excluded.tree_size),
               key = greatest(journal_anchors.key, excluded.key), anchored_at = excluded.anchored_at""",
        (tree_size, key),
    )
