"""All SQL of corrections."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from app.accounts.corrections_models import Correction, CorrectionState
from app.db import Session, WriteSession

_CORRECTION = """correction_id, member_id, points, reason, evidence, state, proposed_by, proposed_at, approved_by,
                 booked_at, closed_by, closed_at, closing_reason, closing_points, lot_id, redemption_id"""


def insert(session: WriteSession, correction: Correction) -> None:
    session.run(
        f"""INSERT INTO corrections ({_CORRECTION})
            VALUES (%(correction_id)s, %(member_id)s, %(points)s, %(reason)s, %(evidence)s, %(state)s, %(proposed_by)s,
                    %(proposed_at)s, %(approved_by)s, %(booked_at)s, %(closed_by)s, %(closed_at)s, %(closing_reason)s,
                    %(closing_points)s, %(lot_id)s, %(redemption_id)s)""",
        asdict(correction),
    )


def move(session: WriteSession, correction: Correction, expected: Collection[CorrectionState]) -> int:
    """Store a correction's new state, and return the number of rows changed: 0 if its state is not in `expected`."""
    return session.count(
        """UPDATE corrections SET state = %(state)s, approved_by = %(approved_by)s, booked_at = %(booked_at)s,
               closed_by = %(closed_by)s, closed_at = %(closed_at)s, closing_reason = %(closing_reason)s,
               closing_points = %(closing_points)s, lot_id = %(lot_id)s, redemption_id = %(redemption_id)s
           WHERE correction_id = %(correction_id)s AND state = ANY(%(expected)s)""",
        {**asdict(correction), "expected": list(expected)},
    )


def correction(session: Session, correction_id: UUID) -> Correction | None:
    return session.one(Correction, f"SELECT {_CORRECTION} FROM corrections WHERE correction_id = %s", (correction_id,))


def lock_correction(session: WriteSession, correction_id: UUID) -> Correction | None:
    return session.one(
        Correction, f"SELECT {_CORRECTION} FROM corrections WHERE correction_id = %s FOR UPDATE", (correction_id,)
    )


def corrections(
    session: Session, member_id: UUID | None, states: Collection[CorrectionState], after: UUID | None, limit: int
) -> list[Correction]:
    """Return corrections, newest first; None means no filter."""
    return session.all(
        Correction,
        f"""SELECT {_CORRECTION} FROM corrections
            WHERE (%(member)s::uuid IS NULL OR member_id = %(member)s) AND state = ANY(%(states)s)
              AND (%(after)s::uuid IS NULL OR correction_id < %(after)s)
            ORDER BY correction_id DESC LIMIT %(limit)s""",
        {"member": member_id, "states": list(states), "after": after, "limit": limit},
    )


def unapproved_points(session: Session, member_id: UUID, since: datetime) -> int:
    """Return how many points were booked or taken since then without approval."""
    return int(
        session.value(
            """SELECT coalesce(sum(abs(points)), 0) FROM corrections
               WHERE member_id = %s AND booked_at >= %s AND approved_by IS NULL""",
            (member_id, since),
        )
    )
