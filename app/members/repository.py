"""SQL for members."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from uuid import UUID

from app.db import Session, WriteSession
from app.members.models import ERASED, Member

_MEMBER = "member_id, name, income_band, marital_status, consented_at, joined_at"


def insert(session: WriteSession, members: Sequence[Member]) -> int:
    """Insert members that don't exist yet, and return how many were inserted."""
    columns = zip(*(astuple(member) for member in members), strict=True)
    return session.count(
        f"""INSERT INTO members ({_MEMBER}) SELECT * FROM unnest(
                %s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
            ON CONFLICT DO NOTHING""",
        [list(column) for column in columns],
    )


def member(session: Session, member_id: UUID) -> Member | None:
    return session.one(Member, f"SELECT {_MEMBER} FROM members WHERE member_id = %s", (member_id,))


def members(session: Session, after: UUID | None, limit: int) -> list[Member]:
    """Return members in the order of their ids, starting after the id `after`."""
    return session.all(
        Member,
        f"""SELECT {_MEMBER} FROM members WHERE %(after)s::uuid IS NULL OR member_id > %(after)s
            ORDER BY member_id LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )


def lock_member(session: WriteSession, member_id: UUID) -> Member | None:
    """Lock a member until the transaction ends, and return it (None: unknown). Orders can still be inserted."""
    return session.one(Member, f"SELECT {_MEMBER} FROM members WHERE member_id = %s FOR NO KEY UPDATE", (member_id,))


def update(session: WriteSession, changed: Member) -> None:
    session.run(
        "UPDATE members SET name = %s, income_band = %s, marital_status = %s WHERE member_id = %s",
        (changed.name, changed.income_band, changed.marital_status, changed.member_id),
    )


def set_consent(session: WriteSession, member_id: UUID, at: datetime | None) -> None:
    session.run("UPDATE members SET consented_at = %s WHERE member_id = %s", (at, member_id))


def lock_erased(session: WriteSession, member_id: UUID) -> bool:
    """Return whether a member was erased; if not, keep erasures of the member waiting until this transaction ends."""
    return bool(
        session.value("SELECT erased_at IS NOT NULL FROM members WHERE member_id = %s FOR KEY SHARE", (member_id,))
    )


def name_and_mark(session: Session, member_id: UUID) -> tuple[str, bool] | None:
    """Return a member's name, and whether the member is marked as erased; None if there is no such member."""
    rows = session.rows("SELECT name, erased_at IS NOT NULL FROM members WHERE member_id = %s", (member_id,))
    return rows[0] if rows else None


def mark_erased(session: WriteSession, member_id: UUID, at: datetime) -> None:
    """Mark a member as erased. Waits for transactions that have locked the member's row; later ones see the mark."""
    session.run("SELECT FROM members WHERE member_id = %s FOR UPDATE", (member_id,))
    session.run("UPDATE members SET erased_at = coalesce(erased_at, %s) WHERE member_id = %s", (at, member_id))


def erase(session: WriteSession, member_id: UUID) -> None:
    """Replace a member's name by ERASED, and delete the rest of the profile."""
    session.run(
        """UPDATE members SET name = %s, income_band = NULL, marital_status = NULL, consented_at = NULL
           WHERE member_id = %s""",
        (ERASED, member_id),
    )
