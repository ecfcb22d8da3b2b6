"""Request and response bodies of the routes for claims for missing points."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.accounts.claims_models import Claim
from app.mirrors import mirrors
from app.paging import Next
from app.text import Prose


class ClaimIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "order_id": "0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10",
                    "line": 1,
                    "evidence": "The promotion said double points; I got single.",
                }
            ]
        },
    )
    order_id: UUID
    line: int = Field(ge=1, strict=True)
    evidence: Prose = Field(min_length=1, max_length=4_000)


class ClaimDecisionIn(BaseModel):
    """The decision on a claim for missing points: `points` accepts it, null refuses it. The member sees the reason."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"points": 25, "reason": "The promotion ran that day."}]}
    )
    points: int | None = Field(None, gt=0, le=1_000_000_000, strict=True)
    reason: Prose = Field(min_length=1, max_length=2_000)


@mirrors(Claim, without=("member_id",))
class ClaimOut(BaseModel):
    lot_id: UUID | None = Field(description="the lot of the points that an accepted claim booked")


class ClaimsOut(BaseModel):
    claims: list[ClaimOut]
    next: Next
