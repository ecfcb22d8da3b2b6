"""Request and response bodies that the routes of earning rules and of offers share."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from app.earning.lifecycle import Living, State
from app.errors import FieldError
from app.text import NotFormula, Prose
from app.times import begin_of

Why = Annotated[Prose, Field(min_length=1, max_length=500, description="the reason, for the ledger"), NotFormula]
Target = Annotated[str, Field(max_length=200)]
"""The target of a rule as it was sent: not trimmed, because it is compared with ids and names."""
NOT_SHOWN = ("stage", "author", "editor", "edits")
"""Fields of rules and offers that responses leave out; `state` replaces `stage`."""


class LifeMove(StrEnum):
    """The state to which a request moves a rule or offer; `running` schedules it if its start is in the future."""

    RUNNING = State.RUNNING
    PAUSED = State.PAUSED
    ENDED = State.ENDED


class LifeMoveIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"to": "ended", "reason": "The rate was a slip"}]}
    )
    to: LifeMove
    reason: Why


class ReasonIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "The same for spring"}]})
    reason: Why


class SubjectIn(BaseModel):
    """The request body of a new rule or offer."""

    def subject(self, zone: ZoneInfo) -> Any:
        """Return the rule or offer in the body, with a new id; a date becomes its first instant in `zone`."""
        raise NotImplementedError


class PatchIn(ReasonIn):
    """Changes to a draft rule or offer. Absent fields keep their values."""

    def changes(self, zone: ZoneInfo) -> dict[str, Any]:
        """Return the fields that were sent, except `reason`; a date becomes its first instant in `zone`."""
        sent = {name: getattr(self, name) for name in self.model_fields_set - {"reason"}}
        return {name: begin_of(value, zone) if isinstance(value, date) else value for name, value in sent.items()}


class LivingOut(BaseModel):
    """The fields that all responses about a rule or offer have: its state, and how the program's limits apply to it."""

    state: State
    past_limits: list[FieldError] = Field(
        [], description="limits of the program that a draft exceeds, so that it needs a second administrator's approval"
    )
    limited: bool = Field(
        description="whether the program's limits apply while it runs, because no second administrator approved it"
    )

    @classmethod
    def of(cls, subject: Living, at: datetime, past_limits: Sequence[FieldError] = ()) -> Self:
        past = [vars(error) for error in past_limits]
        return cls.model_validate({**subject.__dict__, "state": subject.state(at), "past_limits": past})
