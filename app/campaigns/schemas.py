"""What goes in and out of the routes that move rules and offers through their life."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from app.earning.stages import Living, State
from app.errors import FieldError
from app.text import NotFormula, Prose

Why = Annotated[Prose, Field(min_length=1, max_length=500, description="why, for the ledger"), NotFormula]
Target = Annotated[str, Field(max_length=200)]
"""A target is compared, not shown: nothing of it is cut off."""

LIMITED = "whether it keeps to the program's limits while it runs: no second administrator approved it"
NOT_SHOWN = ("stage", "author", "editor", "edits")
"""Of what rules and offers have in common: `state` says where they are at a moment."""


class LifeMove(StrEnum):
    """Running is scheduled until its first day."""

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


class LivingOut(BaseModel):
    """What is shown of rules and offers alike."""

    state: State
    past_limits: list[FieldError] = Field(
        [], description="of a draft: what it needs a second administrator's approval for"
    )
    limited: bool = Field(description=LIMITED)

    @classmethod
    def of(cls, subject: Living, at: datetime, past_limits: Sequence[FieldError] = ()) -> Self:
        past = [vars(error) for error in past_limits]
        return cls.model_validate({**subject.__dict__, "state": subject.state(at), "past_limits": past})
