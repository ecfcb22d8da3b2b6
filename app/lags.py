"""Lags: how many seconds and ledger revisions each part of the platform is behind.

A part's lag is the age of the oldest commit that waits for it, 0 if none waits. `rewards doctor`, `rewards stream
status`, `/metrics`, the worker's report and the alarms show lags.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.clock import Clock
from app.db import Session
from app.settings import Settings


class Part(StrEnum):
    """A part of the platform whose lag is measured."""

    SEALING = "sealing"
    PUBLISHING = "publishing"
    CONSUMING = "consuming"
    NIGHT = "night"
    DIGESTS = "digests"


STREAM = {Part.SEALING, Part.PUBLISHING, Part.CONSUMING}
"""The parts that a revision passes between its commit and the insights."""

ABOUT = {
    Part.SEALING: "committed, in no block yet",
    Part.PUBLISHING: "sealed, not on the stream yet",
    Part.CONSUMING: "on the stream, not in the insights yet",
    Part.NIGHT: "since the last nightly calculation",
    Part.DIGESTS: "since the last digest was anchored",
}


@dataclass(frozen=True)
class Lag:
    """A part's lag: the age of the oldest waiting commit, and the number of waiting revisions (None: not counted)."""

    part: Part
    seconds: float
    limit_s: float
    revisions: int | None = None

    @property
    def is_late(self) -> bool:
        return self.seconds > self.limit_s

    def __str__(self) -> str:
        waiting = "" if self.revisions is None else f"{self.revisions:,} revisions, "
        return f"{ABOUT[self.part]}: {waiting}{self.seconds:,.1f} s (limit {self.limit_s:,.0f} s)"


@dataclass(frozen=True)
class _Row:
    now: datetime
    unsealed: int
    unsealed_since: datetime | None
    unpublished: int
    unpublished_since: datetime | None
    unapplied: int
    unapplied_since: datetime | None
    night: datetime
    digest: datetime | None


CONSUMER = "journal-insights"
"""The name, in `stream_applied`, of the stream's consumer whose lag is read."""
MOST_COUNTED = 100_000
"""Unsealed revisions that are counted at most, to limit the query's cost."""

_SQL = """
    WITH sealed AS (
        SELECT coalesce(max(tree_size), 0) AS leaves, coalesce(max(sequence) + 1, 0) AS blocks,
               coalesce(max(tx_before), 0) AS tx_before
        FROM journal_blocks
    ), unsealed AS (
        SELECT count(*) AS revisions, min(tx_time) AS oldest
        FROM (SELECT tx_time FROM journal_revisions, sealed WHERE tx_id >= tx_before ORDER BY tx_id LIMIT %(most)s) r
    ), streams AS (
        SELECT name, next_block, inclusive_start, exclusive_end FROM journal_streams WHERE NOT completed
        UNION ALL
        SELECT %(usual)s, NULL, NULL, NULL
        WHERE NOT EXISTS (SELECT FROM journal_streams WHERE name = %(usual)s)
    ), unpublished AS (
        SELECT coalesce(max(leaves - first_leaf), 0) AS revisions, min(tx_time) AS oldest
        FROM sealed, streams, LATERAL (
            SELECT first_leaf, tx_from FROM journal_blocks
            WHERE sequence >= coalesce(next_block, 0)
              AND (inclusive_start IS NULL OR sealed_at >= inclusive_start)
              AND (exclusive_end IS NULL OR sealed_at < exclusive_end)
            ORDER BY sequence LIMIT 1
        ) AS next,
        LATERAL (SELECT tx_time FROM journal_revisions WHERE tx_id >= tx_from ORDER BY tx_id LIMIT 1) AS first
    ), published AS (
        SELECT coalesce((SELECT coalesce((SELECT first_leaf FROM journal_blocks WHERE sequence = next_block), leaves)
                         FROM journal_streams WHERE name = %(usual)s AND next_block IS NOT NULL), 0) AS leaves
        FROM sealed
    ), applied AS (
        SELECT coalesce(sum(revisions), 0) AS revisions, coalesce(sum(first_missing), 0)::bigint AS first_missing
        FROM stream_applied WHERE consumer = %(consumer)s  -- a row, or none
    ), unapplied AS (
        SELECT greatest(leaves - revisions, 0) AS revisions,
               (SELECT tx_time FROM journal_revisions WHERE tx_id >= (
                    SELECT tx_from FROM journal_blocks WHERE tree_size > first_missing ORDER BY tree_size LIMIT 1)
                ORDER BY tx_id LIMIT 1) AS oldest
        FROM published, applied
    )
    SELECT clock_timestamp() AS now,
           unsealed.revisions AS unsealed, unsealed.oldest AS unsealed_since,
           unpublished.revisions AS unpublished, unpublished.oldest AS unpublished_since,
           unapplied.revisions::bigint AS unapplied,
           CASE WHEN unapplied.revisions > 0 THEN unapplied.oldest END AS unapplied_since,
           coalesce((SELECT started_at FROM last_night),
                    (SELECT min(opened_at) FROM journal_epochs)) AS night,
           CASE WHEN leaves > 0 THEN
               coalesce((SELECT max(anchored_at) FROM journal_anchors),
                        (SELECT tx_time FROM journal_revisions ORDER BY tx_id LIMIT 1)) END AS digest
    FROM sealed, unsealed, unpublished, unapplied
"""


def read(session: Session, settings: Settings, clock: Clock) -> list[Lag]:
    """Return each part's lag, by `clock` for the nightly jobs and by the database's clock for all other parts."""
    names = {"usual": settings.stream_name, "consumer": CONSUMER, "most": MOST_COUNTED}
    row = session.one(_Row, _SQL, names)
    assert row is not None  # noqa: S101  aggregates always give a row

    def lag(part: Part, since: datetime | None, revisions: int | None, now: datetime = row.now) -> Lag:
        seconds = max(0.0, (now - since).total_seconds()) if since else 0.0
        return Lag(part, seconds, settings.lag_limits_s[part], revisions)

    return [
        lag(Part.SEALING, row.unsealed_since, row.unsealed),
        lag(Part.PUBLISHING, row.unpublished_since, row.unpublished),
        lag(Part.CONSUMING, row.unapplied_since, row.unapplied),
        lag(Part.NIGHT, row.night, None, clock.now()),
        lag(Part.DIGESTS, row.digest, None),
    ]
