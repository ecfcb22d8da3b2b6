"""All SQL of members."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from uuid import UUID

from app.db import Session, WriteSession
from app.members.models import ERASED, Member

_MEMBER = "member_id, name, income_band, marital_status, consented_at, joined_at"


def insert(session: WriteSession, members: Sequence[Member]) -> int:
    """How many were new."""
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
    """In the order of their ids."""
    return session.all(
        Member,
        f"""SELECT {_MEMBER} FROM members WHERE %(after)s::uuid IS NULL OR member_id > %(after)s
            ORDER BY member_id LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )


def hold(session: WriteSession, member_id: UUID) -> Member | None:
    """As `member`, locked until the transaction ends; orders may refer to it meanwhile."""
    return session.one(Member, f"SELECT {_MEMBER} FROM members WHERE member_id = %s FOR NO KEY UPDATE", (member_id,))


def update(session: WriteSession, changed: Member) -> None:
    session.run(
        "UPDATE members SET name = %s, income_band = %s, marital_status = %s WHERE member_id = %s",
        (changed.name, changed.income_band, changed.marital_status, changed.member_id),
    )


def set_consent(session: WriteSession, member_id: UUID, at: datetime | None) -> None:
    session.run("UPDATE members SET consented_at = %s WHERE member_id = %s", (at, member_id))


def documents(session: Session, member_id: UUID) -> list[tuple[str, UUID]]:
    """Table and id of what says something about a member in words."""
    return [
        (table, document_id)
        for table, document_id in session.rows(
            """SELECT 'claims', claim_id FROM claims WHERE member_id = %(member)s
               UNION ALL SELECT 'returns', return_id FROM returns JOIN orders USING (order_id)
                         WHERE member_id = %(member)s
               UNION ALL SELECT 'members', %(member)s""",
            {"member": member_id},
        )
    ]


def erase(session: WriteSession, member_id: UUID, documents: Sequence[UUID]) -> None:
    """Those words in the tables, in what the stream's consumer keeps, and in answers kept for anyone's repeats."""
    session.run(
        """WITH claimed AS (UPDATE claims SET evidence = %(erased)s WHERE member_id = %(member)s),
                returned AS (UPDATE returns r SET reason = %(erased)s FROM orders o
                             WHERE o.order_id = r.order_id AND o.member_id = %(member)s),
                profiled AS (DELETE FROM insight_members WHERE member_id = %(member)s),
                poison AS (DELETE FROM stream_quarantine WHERE position(convert_to(%(text)s, 'UTF8') IN record) > 0),
                baskets AS (DELETE FROM stream_baskets WHERE member_id = %(member)s),
                answers AS (DELETE FROM idempotency_keys WHERE caller = %(text)s OR EXISTS (
                               SELECT FROM unnest(%(named)s::text[]) AS id WHERE position(id IN answer) > 0))
           UPDATE members SET name = %(erased)s, income_band = NULL, marital_status = NULL, consented_at = NULL
           WHERE member_id = %(member)s""",
        {"member": member_id, "text": str(member_id), "named": [str(id_) for id_ in documents], "erased": ERASED},
    )
