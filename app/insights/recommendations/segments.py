"""A member's segments, which recommendations may use with consent."""

from uuid import UUID

from app.db import Session
from app.members import service as members
from app.members.models import Segments
from app.orders import service as orders

DEPARTMENTS = 3


def of_member(session: Session, member_id: UUID) -> Segments:
    """Return a member's segments, none without consent. Raises NotFound."""
    member = members.member(session, member_id)
    if member.consented_at is None:
        return Segments(None, None, [], consented=False)
    departments = orders.top_departments(session, member_id, DEPARTMENTS)
    return Segments(member.income_band, member.marital_status, departments, consented=True)
