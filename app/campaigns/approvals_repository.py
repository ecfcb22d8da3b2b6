"""SQL for second administrators' approvals of earning rules and offers."""

from datetime import datetime
from uuid import UUID

from app.db import Session, WriteSession


def approve(session: WriteSession, subject_id: UUID, content: str, by: UUID, at: datetime) -> None:
    session.run(
        """INSERT INTO approvals (subject_id, content, approved_by, approved_at) VALUES (%s, %s, %s, %s)
           ON CONFLICT DO NOTHING""",
        (subject_id, content, by, at),
    )


def approvers(session: Session, subject_id: UUID, content: str) -> list[UUID]:
    rows = session.rows(
        "SELECT approved_by FROM approvals WHERE subject_id = %s AND content = %s ORDER BY approved_by",
        (subject_id, content),
    )
    return [row[0] for row in rows]
