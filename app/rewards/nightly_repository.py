"""SQL of what is due in wallets: finding it, and moving it, for everybody or for one member.

A batch is one statement. It locks its members' wallets first, in order, as every movement of points does; a lot that
another transaction changed meanwhile is looked at again as it is then, or by the next batch, and left if it is no
longer due. Lots are reached by where they stand (ctid): joining them by key read the whole table for each batch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import LiteralString
from uuid import UUID

import orjson

from app.db import Parameters, Session, WriteSession
from app.rewards.models import NightlyReport, NightlyRun, Program


@dataclass(frozen=True)
class Batch:
    """Lots that are due by a day: of one member, or of all. Their postings are dated `at`."""

    day: date
    at: datetime
    limit: int
    member_id: UUID | None = None


@dataclass(frozen=True)
class Moved:
    """A batch's result: one item a member and day for the journal. `found` is false where nothing was due any more."""

    found: bool
    lots: int
    points: int
    items: Sequence[orjson.Fragment]


def earliest(session: Session, upto: date) -> date | None:
    """The first day up to that one on which anything is still due: a lot's window or life, a subscription's period."""
    found: date | None = session.value(
        """SELECT min(due) FROM (
               SELECT min(matures_on) AS due FROM lots WHERE state = 'pending' AND matures_on <= %(upto)s
               UNION ALL SELECT min(expires_on) FROM lots WHERE state = 'confirmed' AND expires_on <= %(upto)s
               UNION ALL SELECT min(due_on) FROM subscriptions WHERE state <> 'lapsed' AND due_on <= %(upto)s
           ) AS earliest""",
        {"upto": upto},
    )
    return found


# The first day on which anything is due in the wallet of member `m`. A debt beside points is due at once.
_FIRST_DUE: LiteralString = """least(
    (SELECT min(matures_on) FROM lots WHERE member_id = m.member_id AND state = 'pending'),
    (SELECT min(expires_on) FROM lots WHERE member_id = m.member_id AND state = 'confirmed'),
    (SELECT min(due_on) FROM subscriptions WHERE member_id = m.member_id AND state <> 'lapsed'),
    (SELECT m.today FROM wallets WHERE member_id = m.member_id AND owed > 0 AND available > 0))"""


def ask_first_due(session: Session, at: Mapping[UUID, datetime]) -> Callable[[], dict[UUID, date]]:
    """Of each member in whose wallet anything is due at a time, the first day on which it was due.

    Takes the times by member. The question is sent now; the call that is returned waits for the answer.
    """
    rows = session.ask(
        f"""SELECT member_id, due FROM (
               SELECT member_id, today, {_FIRST_DUE} AS due
               FROM (SELECT member_id, (at AT TIME ZONE time_zone)::date AS today
                     FROM unnest(%s::uuid[], %s::timestamptz[]) AS asked (member_id, at), program) AS m
           ) AS first WHERE due <= today""",
        (list(at), list(at.values())),
    )
    return lambda: dict(rows())


def next_due(session: Session, member_id: UUID, after: date, today: date) -> date | None:
    """The first day after one and up to today on which anything in a member's wallet is due."""
    day: date | None = session.value(
        """SELECT min(due) FROM (
               SELECT min(matures_on) AS due FROM lots
               WHERE member_id = %(member)s AND state = 'pending' AND matures_on > %(after)s
               UNION ALL SELECT min(expires_on) FROM lots
               WHERE member_id = %(member)s AND state = 'confirmed' AND expires_on > %(after)s
               UNION ALL SELECT min(due_on) FROM subscriptions
               WHERE member_id = %(member)s AND state <> 'lapsed' AND due_on > %(after)s
           ) AS next WHERE due <= %(today)s""",
        {"member": member_id, "after": after, "today": today},
    )
    return day


_SUMS = """
    sums AS MATERIALIZED (
        SELECT member_id, sum(points)::bigint AS points, count(*) AS lots, gen_random_uuid() AS movement_id,
               format('{"lots":%%s,"member_id":"%%s","on":"%%s","points":%%s}', array_to_json(array_agg(lot_id)),
                      member_id, %(day)s::date, sum(points)) AS item
        FROM moved GROUP BY member_id
    )
"""
_MOVED = """
    SELECT (SELECT count(*) FROM due) > 0, coalesce(sum(lots), 0)::bigint, coalesce(sum(points), 0)::bigint,
           coalesce(array_agg(item), '{}')
    FROM sums
"""


def _confirming(whose: LiteralString) -> LiteralString:
    return f"""WITH due AS MATERIALIZED (
           SELECT ctid, member_id FROM lots WHERE state = 'pending' AND matures_on <= %(day)s {whose}
           ORDER BY matures_on, member_id LIMIT %(limit)s
       ), held AS MATERIALIZED (
           SELECT member_id FROM wallets WHERE member_id IN (SELECT member_id FROM due)
           ORDER BY member_id FOR UPDATE
       ), moved AS (
           UPDATE lots SET state = 'confirmed', expires_on = matures_on + %(expire_after)s::int
           WHERE ctid = ANY(ARRAY(SELECT due.ctid FROM due JOIN held USING (member_id))) AND state = 'pending'
           RETURNING member_id, lot_id, points
       ), {_SUMS}, credited AS (
           UPDATE wallets w SET pending = pending - sums.points, available = available + sums.points
           FROM sums WHERE w.member_id = sums.member_id
       ), posted AS (
           INSERT INTO postings (movement_id, kind, account, owner_id, points, posted_at)
           SELECT movement_id, 'confirm', account, member_id, sign * points, %(at)s
           FROM sums, (VALUES ('member_pending', -1), ('member_available', 1)) AS side (account, sign)
           WHERE points > 0
       ) {_MOVED}"""


def _expiring(whose: LiteralString) -> LiteralString:
    return f"""WITH due AS MATERIALIZED (
           SELECT ctid, member_id FROM lots WHERE state = 'confirmed' AND expires_on <= %(day)s {whose}
           ORDER BY expires_on, member_id LIMIT %(limit)s
       ), held AS MATERIALIZED (
           SELECT member_id FROM wallets WHERE member_id IN (SELECT member_id FROM due)
           ORDER BY member_id FOR UPDATE
       ), moved AS (
           SELECT member_id, lot_id, unspent AS points FROM lots
           WHERE ctid = ANY(ARRAY(SELECT due.ctid FROM due JOIN held USING (member_id))) AND state = 'confirmed'
           FOR UPDATE
       ), gone AS (
           UPDATE lots SET state = 'expired', unspent = 0 WHERE lot_id = ANY(ARRAY(SELECT lot_id FROM moved))
       ), {_SUMS}, debited AS (
           UPDATE wallets w SET available = available - sums.points FROM sums WHERE w.member_id = sums.member_id
       ), posted AS (
           INSERT INTO postings (movement_id, kind, account, owner_id, points, posted_at)
           SELECT movement_id, 'expire', account, CASE WHEN sign < 0 THEN member_id END, sign * points, %(at)s
           FROM sums, (VALUES ('member_available', -1), ('breakage', 1)) AS side (account, sign) WHERE points > 0
       ) {_MOVED}"""


_OF_MEMBER: LiteralString = "AND member_id = %(member_id)s"
_CONFIRM, _CONFIRM_MEMBER = _confirming(""), _confirming(_OF_MEMBER)
_EXPIRE, _EXPIRE_MEMBER = _expiring(""), _expiring(_OF_MEMBER)


def confirm(session: WriteSession, batch: Batch, program: Program) -> Moved:
    """Pending lots whose window is over become spendable; their expiry counts from the day they matured."""
    parameters = {**batch.__dict__, "expire_after": program.expire_after_days}
    return _move(session, _CONFIRM_MEMBER if batch.member_id else _CONFIRM, parameters)


def expire(session: WriteSession, batch: Batch) -> Moved:
    """Confirmed lots that are past their day lose what is unspent to breakage."""
    return _move(session, _EXPIRE_MEMBER if batch.member_id else _EXPIRE, batch.__dict__)


def _move(session: WriteSession, sql: LiteralString, parameters: Parameters) -> Moved:
    found, lots, points, items = session.rows(sql, parameters)[0]
    return Moved(found, lots, points, [orjson.Fragment(item) for item in items])


def indebted(session: Session, limit: int) -> list[UUID]:
    """Members who owe points and have some."""
    rows = session.rows("SELECT member_id FROM wallets WHERE owed > 0 AND available > 0 LIMIT %s", (limit,))
    return [row[0] for row in rows]


def lock_subscriber(session: WriteSession, subscription_id: UUID) -> None:
    """Lock the wallet before the subscription, as whatever changes a wallet does."""
    session.run(
        """SELECT FROM wallets WHERE member_id = (SELECT member_id FROM subscriptions WHERE subscription_id = %s)
           FOR UPDATE""",
        (subscription_id,),
    )


def insert_report(session: WriteSession, report: NightlyReport) -> None:
    session.run(
        """INSERT INTO nightly_runs (business_date, started_at, seconds, confirmed_lots, confirmed_points,
               expired_lots, expired_points, renewed, lapsed, oldest_due)
           VALUES (%(business_date)s, %(started_at)s, %(seconds)s, %(confirmed_lots)s, %(confirmed_points)s,
               %(expired_lots)s, %(expired_points)s, %(renewed)s, %(lapsed)s, %(oldest_due)s)""",
        asdict(report),
    )


def last_day(session: Session) -> date | None:
    found: date | None = session.value("SELECT max(business_date) FROM nightly_runs")
    return found


def runs(session: Session, after: int | None, limit: int) -> list[NightlyRun]:
    return session.all(
        NightlyRun,
        f"""SELECT business_date, started_at, seconds, confirmed_lots, confirmed_points, expired_lots, expired_points,
                   renewed, lapsed, oldest_due, run_id
            FROM nightly_runs {"WHERE run_id < %(after)s" if after is not None else ""}
            ORDER BY run_id DESC LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )
