"""Routes for a member's own profile and consent to recommendations."""

from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from app.auth import Member as MemberCaller
from app.errors import Conflict, NotFound
from app.idempotency import OnlyOnce
from app.members import service
from app.members.models import IncomeBand, MaritalStatus, Member
from app.mirrors import mirrors
from app.problems import problems
from app.routing import Router
from app.text import Name
from app.wiring import Db, Time

router = Router(prefix="/members", tags=["members"])


class ProfileIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Ada", "income_band": "50-74K", "marital_status": "married"}]},
    )
    name: Name
    income_band: IncomeBand | None = None
    marital_status: MaritalStatus | None = None


class ProfilePatch(ProfileIn):
    """The fields of a member's profile to change; null deletes a value."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"income_band": "75-99K"}]})
    name: Name = ""


class ConsentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    recommendations: bool = Field(description="may profile and purchases choose what you are shown?", strict=True)


@mirrors(Member)
class MemberOut(BaseModel):
    pass


@router.post("", status_code=201, summary="Join", response_model=MemberOut, responses=problems(Conflict))
def join_program(profile: ProfileIn, caller: MemberCaller, once: OnlyOnce) -> Response:
    """Registers the person whom the token identifies as a member."""
    member = Member(caller.subject, profile.name, profile.income_band, profile.marital_status, None, once.clock.now())
    return once(caller.key, lambda session: service.join(session, member))


@router.get("/me", summary="Your profile", responses=problems(NotFound))
def get_profile(caller: MemberCaller, db: Db) -> MemberOut:
    """Returns the caller's profile."""
    with db.read() as session:
        return MemberOut.model_validate(service.member(session, caller.subject))


@router.patch("/me", summary="Change your profile", responses=problems(NotFound, Conflict))
def change_profile(changes: ProfilePatch, caller: MemberCaller, db: Db) -> MemberOut:
    """Changes the fields of the caller's profile that are sent."""
    with db.write() as session:
        member = service.change(session, caller.subject, changes.model_dump(exclude_unset=True))
        return MemberOut.model_validate(member)


@router.put("/me/consent", summary="Give or withdraw consent", responses=problems(NotFound, Conflict))
def set_consent(consent: ConsentIn, caller: MemberCaller, db: Db, clock: Time) -> MemberOut:
    """Gives or withdraws consent to recommendations by the caller's profile and purchases."""
    with db.write() as session:
        return MemberOut.model_validate(service.consent(session, caller.subject, consent.recommendations, clock))
