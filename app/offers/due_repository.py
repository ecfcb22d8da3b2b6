"""SQL that finds due lots, debts and subscriptions."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import LiteralString
from uuid import UUID

from app.db import Session


def earliest(session: Session, upto: date) -> date | None:
    """Return the first day, up to `upto`, on which a lot or subscription of any member is due for a change; or None."""
    day: date | None = session.value(
        """SELECT min(due) FROM (
               SELECT min(matures_on) AS due FROM lots WHERE state = 'pending' AND matures_on <= %(upto)s
               UNION ALL SELECT min(expires_on) FROM lots WHERE state = 'confirmed' AND expires_on <= %(upto)s
               UNION ALL SELECT min(due_on) FROM subscriptions WHERE state <> 'lapsed' AND due_on <= %(upto)s
           ) AS earliest""",
        {"upto": upto},
    )
    return day


# The first day with a due change in the wallet of member `m`. A debt is due at once if points are available.
_FIRST_DUE: LiteralString = """least(
    (SELECT min(matures_on) FROM lots WHERE member_id = m.member_id AND state = 'pending'),
    (SELECT min(expires_on) FROM lots WHERE member_id = m.member_id AND state = 'confirmed'),
    (SELECT min(due_on) FROM subscriptions WHERE member_id = m.member_id AND state <> 'lapsed'),
    (SELECT m.today FROM wallets WHERE member_id = m.member_id AND owed > 0 AND available > 0))"""


def ask_first_due(session: Session, at: Mapping[UUID, datetime]) -> Callable[[], dict[UUID, date]]:
    """Send a query for each member's first day with a due wallet change; return a function that waits for its result.

    A change is due if its day has come by the member's instant in `at`. Members without due changes are left out. The
    caller need not lock the wallets: if another request applies these changes first, applying them again does nothing.
    """
    rows = session.ask(
        f"""SELECT member_id, due FROM (
               SELECT member_id, today, {_FIRST_DUE} AS due
               FROM (SELECT member_id, (at AT TIME ZONE time_zone)::date AS today
                     FROM unnest(%s::uuid[], %s::timestamptz[]) AS asked (member_id, at), program_terms) AS m
           ) AS first WHERE due <= today""",
        (list(at), list(at.values())),
    )
    return lambda: dict(rows())


def next_due(session: Session, member_id: UUID, after: date, today: date) -> date | None:
    """Return the first day after `after`, up to `today`, on which a change of the member's wallet is due; or None."""
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
