"""A member's own segments."""

from pydantic import BaseModel

from app.auth import Member
from app.errors import NotFound
from app.insights.recommendations import segments as segmenting
from app.members.models import Segments
from app.mirrors import mirrors
from app.problems import problems
from app.routing import Router
from app.wiring import Db

router = Router(prefix="/members", tags=["members"])


@mirrors(Segments)
class MemberSegmentsOut(BaseModel):
    pass


@router.get("/me/segments", summary="Your segments", responses=problems(NotFound))
def get_own_segments(caller: Member, db: Db) -> MemberSegmentsOut:
    """The groups that recommendations go by; empty without consent."""
    with db.snapshot() as session:
        return MemberSegmentsOut.model_validate(segmenting.of_member(session, caller.subject))
