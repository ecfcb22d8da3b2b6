"""The nightly calculation's SQL: what is due, and moving it.

A batch locks its members' wallets first, in order, as every movement of points does; then it looks again which of its
lots are still to be moved.
"""

from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.db import Session, WriteSession
from app.rewards.models import NightlyReport, Program


@dataclass(frozen=True)
class Moved:
    """A batch's result: one item a member for the journal. `found` is false where nothing was due any more."""

    what: str
    items: list[dict[str, Any]] = field(default_factory=list)
    lots: int = 0
    points: int = 0
    found: bool = False


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


def confirm(session: WriteSession, day: date, program: Program, at: datetime, limit: int) -> Moved:
    """Pending lots whose window is over become spendable; their expiry counts from the day they matured."""
    due = session.rows(
        """SELECT lot_id, member_id FROM lots WHERE state = 'pending' AND matures_on <= %s
           ORDER BY matures_on, member_id LIMIT %s""",
        (day, limit),
    )
    if not due:
        return Moved("confirmed")
    _lock_wallets(session, due)
    rows = session.dicts(
        """WITH moved AS (
               UPDATE lots SET state = 'confirmed', expires_on = matures_on + %(expire_after)s::int
               WHERE lot_id = ANY(%(lots)s) AND state = 'pending'
               RETURNING member_id, lot_id, points
           ), sums AS MATERIALIZED (
               SELECT member_id, sum(points)::bigint AS points, array_agg(lot_id) AS lots,
                      gen_random_uuid() AS movement_id
               FROM moved GROUP BY member_id
           ), credited AS (
               UPDATE wallets w SET pending = pending - sums.points, available = available + sums.points
               FROM sums WHERE w.member_id = sums.member_id
           ), posted AS (
               INSERT INTO postings (movement_id, kind, account, owner_id, points, posted_at)
               SELECT movement_id, 'confirm', account, member_id, sign * points, %(at)s
               FROM sums, (VALUES ('member_pending', -1), ('member_available', 1)) AS side (account, sign)
               WHERE points > 0
           )
           SELECT member_id, points, lots FROM sums""",
        {"lots": [row[0] for row in due], "expire_after": program.expire_after_days, "at": at},
    )
    return _moved("confirmed", rows)


def indebted(session: Session, limit: int) -> list[UUID]:
    """Members who owe points and have some."""
    rows = session.rows("SELECT member_id FROM wallets WHERE owed > 0 AND available > 0 LIMIT %s", (limit,))
    return [row[0] for row in rows]


def expire(session: WriteSession, day: date, at: datetime, limit: int) -> Moved:
    """Confirmed lots that are past their day lose what is unspent to breakage."""
    due = session.rows(
        """SELECT lot_id, member_id FROM lots WHERE state = 'confirmed' AND expires_on <= %s
           ORDER BY expires_on, member_id LIMIT %s""",
        (day, limit),
    )
    if not due:
        return Moved("expired")
    _lock_wallets(session, due)
    rows = session.dicts(
        """WITH going AS (
               SELECT lot_id, member_id, unspent FROM lots
               WHERE lot_id = ANY(%(lots)s) AND state = 'confirmed' FOR UPDATE
           ), moved AS (
               UPDATE lots SET state = 'expired', unspent = 0 FROM going WHERE lots.lot_id = going.lot_id
           ), sums AS MATERIALIZED (
               SELECT member_id, sum(unspent)::bigint AS points, array_agg(lot_id) AS lots,
                      gen_random_uuid() AS movement_id
               FROM going GROUP BY member_id
           ), debited AS (
               UPDATE wallets w SET available = available - sums.points FROM sums WHERE w.member_id = sums.member_id
           ), posted AS (
               INSERT INTO postings (movement_id, kind, account, owner_id, points, posted_at)
               SELECT movement_id, 'expire', account, CASE WHEN sign < 0 THEN member_id END, sign * points, %(at)s
               FROM sums, (VALUES ('member_available', -1), ('breakage', 1)) AS side (account, sign) WHERE points > 0
           )
           SELECT member_id, points, lots FROM sums""",
        {"lots": [row[0] for row in due], "at": at},
    )
    return _moved("expired", rows)


def _lock_wallets(session: WriteSession, due: list[tuple[Any, ...]]) -> None:
    session.rows(
        "SELECT FROM wallets WHERE member_id = ANY(%s) ORDER BY member_id FOR UPDATE",
        (sorted({row[1] for row in due}),),
    )


def _moved(what: str, rows: list[dict[str, Any]]) -> Moved:
    return Moved(
        what,
        items=rows,
        lots=sum(len(row["lots"]) for row in rows),
        points=sum(row["points"] for row in rows),
        found=True,
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


def reports(session: Session, limit: int) -> list[NightlyReport]:
    return session.all(
        NightlyReport,
        """SELECT business_date, started_at, seconds, confirmed_lots, confirmed_points, expired_lots, expired_points,
                  renewed, lapsed, oldest_due
           FROM nightly_runs ORDER BY run_id DESC LIMIT %s""",
        (limit,),
    )
