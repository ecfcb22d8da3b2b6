"""All SQL of members."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from uuid import UUID

from app.db import Session, WriteSession
from app.members.models import Member

_MEMBER = "member_id, name, income_band, marital_status, consented_at, joined_at"


def insert(session: WriteSession, members: Sequence[Member]) -> int:
    """Insert members and return how many were new."""
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
    """Return members in the order of their ids."""
    return session.all(
        Member,
        f"""SELECT {_MEMBER} FROM members WHERE %(after)s::uuid IS NULL OR member_id > %(after)s
            ORDER BY member_id LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )


def lock_member(session: WriteSession, member_id: UUID) -> Member | None:
    """Lock and return a member until the transaction ends; others may still insert orders that refer to it."""
    return session.one(Member, f"SELECT {_MEMBER} FROM members WHERE member_id = %s FOR NO KEY UPDATE", (member_id,))


def update(session: WriteSession, changed: Member) -> None:
    session.run(
        "UPDATE members SET name = %s, income_band = %s, marital_status = %s WHERE member_id = %s",
        (changed.name, changed.income_band, changed.marital_status, changed.member_id),
    )


def set_consent(session: WriteSession, member_id: UUID, at: datetime | None) -> None:
    session.run("UPDATE members SET consented_at = %s WHERE member_id = %s", (at, member_id))


def lock_erased(session: WriteSession, member_id: UUID) -> bool:
    """Return whether the member is marked as erased, and block an erasure until the transaction ends."""
    return bool(
        session.value("SELECT erased_at IS NOT NULL FROM members WHERE member_id = %s FOR KEY SHARE", (member_id,))
    )
