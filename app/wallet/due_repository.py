"""SQL that confirms and expires points lots in batches, for all members or for one.

A pending lot is confirmed when its return window is over, a confirmed lot expires when its expiry date is reached.
"""

from typing import LiteralString
from uuid import UUID

import orjson

from app.db import Parameters, Session, WriteSession
from app.program.models import Program
from app.wallet.models import Batch, Moved

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


def _confirming(condition: LiteralString) -> LiteralString:
    return f"""WITH due AS MATERIALIZED (
           SELECT ctid, member_id FROM lots WHERE state = 'pending' AND matures_on <= %(day)s {condition}
           ORDER BY matures_on, member_id LIMIT %(limit)s
       ), locked AS MATERIALIZED (
           SELECT member_id FROM wallets WHERE member_id IN (SELECT member_id FROM due)
           ORDER BY member_id FOR UPDATE
       ), moved AS (
           UPDATE lots SET state = 'confirmed', expires_on = matures_on + %(expire_after)s::int
           WHERE ctid = ANY(ARRAY(SELECT due.ctid FROM due JOIN locked USING (member_id))) AND state = 'pending'
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


def _expiring(condition: LiteralString) -> LiteralString:
    return f"""WITH due AS MATERIALIZED (
           SELECT ctid, member_id FROM lots WHERE state = 'confirmed' AND expires_on <= %(day)s {condition}
           ORDER BY expires_on, member_id LIMIT %(limit)s
       ), locked AS MATERIALIZED (
           SELECT member_id FROM wallets WHERE member_id IN (SELECT member_id FROM due)
           ORDER BY member_id FOR UPDATE
       ), moved AS (
           SELECT member_id, lot_id, unspent AS points FROM lots
           WHERE ctid = ANY(ARRAY(SELECT due.ctid FROM due JOIN locked USING (member_id))) AND state = 'confirmed'
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
    """Confirm a batch of pending lots whose return window is over; their time to expiry begins at the window's end."""
    parameters = {**batch.__dict__, "expire_after": program.expire_after_days}
    return _move(session, _CONFIRM_MEMBER if batch.member_id else _CONFIRM, parameters)


def expire(session: WriteSession, batch: Batch) -> Moved:
    """Expire a batch of confirmed lots: post their unspent points to the account for expired points (breakage)."""
    return _move(session, _EXPIRE_MEMBER if batch.member_id else _EXPIRE, batch.__dict__)


def _move(session: WriteSession, sql: LiteralString, parameters: Parameters) -> Moved:
    due, lots, points, items = session.rows(sql, parameters)[0]
    return Moved(due, lots, points, [orjson.Fragment(item) for item in items])


def indebted(session: Session, limit: int) -> list[UUID]:
    """Return the ids of members who owe points and have available points with which to pay."""
    rows = session.rows("SELECT member_id FROM wallets WHERE owed > 0 AND available > 0 LIMIT %s", (limit,))
    return [row[0] for row in rows]
