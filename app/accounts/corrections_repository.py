"""SQL for corrections of members' points."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from app.accounts.corrections_models import Correction, CorrectionState
from app.db import Session, WriteSession
from app.members.models import ERASED

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
    """Update a correction if its stored state is in `expected`, and return the number of rows changed: 1 or 0."""
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
    """Return a member's corrections in these states, newest first, or all members' if `member_id` is None."""
    return session.all(
        Correction,
        f"""SELECT {_CORRECTION} FROM corrections
            WHERE (%(member)s::uuid IS NULL OR member_id = %(member)s) AND state = ANY(%(states)s)
              AND (%(after)s::uuid IS NULL OR correction_id < %(after)s)
            ORDER BY correction_id DESC LIMIT %(limit)s""",
        {"member": member_id, "states": list(states), "after": after, "limit": limit},
    )


def unapproved_points(session: Session, member_id: UUID, since: datetime) -> int:
    """Return how many points a member's unapproved corrections moved since an instant: booked plus taken points."""
    return int(
        session.value(
            """SELECT coalesce(sum(abs(points)), 0) FROM corrections
               WHERE member_id = %s AND booked_at >= %s AND approved_by IS NULL""",
            (member_id, since),
        )
    )


def ids_of(
    session: Session, member_id: UUID, states: Collection[CorrectionState] = tuple(CorrectionState)
) -> list[UUID]:
    """Return the ids of a member's corrections in these states, oldest first."""
    rows = session.rows(
        "SELECT correction_id FROM corrections WHERE member_id = %s AND state = ANY(%s) ORDER BY correction_id",
        (member_id, list(states)),
    )
    return [correction_id for (correction_id,) in rows]


def erase(session: WriteSession, member_id: UUID) -> None:
    """Overwrite the reasons and the evidence of a member's corrections with ERASED."""
    session.run(
        """UPDATE corrections SET reason = %(erased)s, evidence = %(erased)s,
               closing_reason = CASE WHEN closing_reason IS NOT NULL THEN %(erased)s END
           WHERE member_id = %(member)s""",
        {"erased": ERASED, "member": member_id},
    )
