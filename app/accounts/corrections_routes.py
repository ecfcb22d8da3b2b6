"""Routes for corrections: administrators propose, approve, reject and reverse them; members list their own."""

from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.accounts import corrections
from app.accounts.corrections_models import Correction, CorrectionDraft, CorrectionState
from app.auth import Admin, Member
from app.db import WriteSession
from app.errors import NotEnough, NotFound, WrongState
from app.idempotency import OnlyOnce
from app.mirrors import mirrors
from app.paging import ById, Next
from app.problems import problems
from app.routing import Router
from app.text import Prose
from app.wiring import Db

router = Router(tags=["rewards"])

MOST_POINTS = 1_000_000_000
Reason = Annotated[Prose, Field(min_length=1, max_length=2_000)]


class CorrectionIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "member_id": "0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10",
                    "points": 250,
                    "reason": "The shop's terminal was down on 22 November",
                    "evidence": "Ticket 4711, photo of the receipt",
                }
            ]
        },
    )
    member_id: UUID
    points: int = Field(
        ge=-MOST_POINTS,
        le=MOST_POINTS,
        strict=True,
        description="points to book to the member; if negative, points to take",
        json_schema_extra={"not": {"const": 0}},
    )
    reason: Reason = Field(description="shown to the member")
    evidence: Reason = Field(description="a reference or description that supports it; shown to administrators")

    @field_validator("points")
    @classmethod
    def _moves_something(cls, points: int) -> int:
        if not points:
            raise ValueError("a correction books or takes at least one point")
        return points


class CorrectionMoveIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "booked"}]})
    to: Literal[CorrectionState.BOOKED, CorrectionState.REJECTED, CorrectionState.REVERSED]
    reason: Reason | None = Field(None, validate_default=True, description="required for rejected and reversed")

    @field_validator("reason")
    @classmethod
    def _required_unless_booked(cls, reason: str | None, move: ValidationInfo) -> str | None:
        if reason is None and move.data.get("to") in (CorrectionState.REJECTED, CorrectionState.REVERSED):
            raise ValueError("say why it is rejected or reversed")
        return reason


class MemberCorrectionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    correction_id: UUID
    points: int
    reason: str
    state: CorrectionState
    booked_at: datetime | None
    closed_at: datetime | None = Field(description="when it was rejected or reversed")
    closing_reason: str | None
    closing_points: int | None = Field(description="the change of the member's points by its reversal")
    lot_id: UUID | None = Field(description="the lot of the points that it booked")
    redemption_id: UUID | None = Field(description="the redemption of the points that it took")


@mirrors(Correction)
class CorrectionOut(MemberCorrectionOut):
    approved_by: UUID | None = Field(description="null if the daily limit allowed its author to book it alone")


class CorrectionsOut(BaseModel):
    corrections: list[CorrectionOut]
    next: Next


class MemberCorrectionsOut(BaseModel):
    corrections: list[MemberCorrectionOut]
    next: Next


@router.post(
    "/corrections",
    status_code=201,
    summary="Correct a member's points",
    response_model=CorrectionOut,
    responses=problems(NotFound, NotEnough),
)
def propose_correction(draft: CorrectionIn, caller: Admin, once: OnlyOnce) -> Response:
    """Book or take points: at once or, beyond the limit per member and day, after another administrator's approval."""
    correction = CorrectionDraft(**draft.model_dump())
    return once(caller.key, lambda session: corrections.propose(session, correction, caller.subject, once.clock))


@router.get("/corrections", summary="Corrections, newest first")
def list_corrections(
    caller: Admin,
    paging: ById,
    db: Db,
    state: CorrectionState | None = None,
    member_id: Annotated[UUID | None, Query(description="only this member's")] = None,
) -> CorrectionsOut:
    """All corrections, or those in one state; those in the state `proposed` wait for a second administrator."""
    states = [state] if state else list(CorrectionState)
    with db.read() as session:
        page = paging.page(partial(corrections.corrections, session, member_id, states), "correction_id")
    return CorrectionsOut(corrections=[CorrectionOut.model_validate(row) for row in page.rows], next=page.next)


@router.get("/corrections/{correction_id}", summary="One correction")
def get_correction(correction_id: UUID, caller: Admin, db: Db) -> CorrectionOut:
    """A correction, with the administrators who proposed, approved and closed it."""
    with db.read() as session:
        return CorrectionOut.model_validate(corrections.correction(session, correction_id))


@router.post(
    "/corrections/{correction_id}/transitions",
    summary="Approve, reject or reverse a correction",
    response_model=CorrectionOut,
    responses=problems(NotEnough, WrongState),
)
def move_correction(correction_id: UUID, move: CorrectionMoveIn, caller: Admin, once: OnlyOnce) -> Response:
    """Change a correction's state: `booked` approves a proposal, `rejected` refuses it, `reversed` undoes a booking."""
    return once(caller.key, lambda session: _move(session, correction_id, move, caller.subject, once))


def _move(
    session: WriteSession, correction_id: UUID, move: CorrectionMoveIn, administrator: UUID, once: OnlyOnce
) -> Correction:
    reason = move.reason or ""
    match move.to:
        case CorrectionState.BOOKED:
            return corrections.approve(session, correction_id, administrator, once.clock)
        case CorrectionState.REJECTED:
            return corrections.reject(session, correction_id, administrator, reason, once.clock)
        case CorrectionState.REVERSED:
            return corrections.reverse(session, correction_id, administrator, reason, once.clock)


@router.get("/wallet/corrections", summary="Corrections of your points, newest first")
def list_own_corrections(caller: Member, paging: ById, db: Db) -> MemberCorrectionsOut:
    """Corrections that changed your points, with their reasons."""
    with db.read() as session:
        read = partial(corrections.corrections, session, caller.subject, corrections.OF_MEMBER)
        page = paging.page(read, "correction_id")
    return MemberCorrectionsOut(
        corrections=[MemberCorrectionOut.model_validate(row) for row in page.rows], next=page.next
    )
