"""What goes in and out of the routes that move rules and offers through their life."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.earning.stages import State
from app.text import NotFormula, Prose

Why = Annotated[Prose, Field(min_length=1, max_length=500, description="why, for the ledger"), NotFormula]
Target = Annotated[str, Field(max_length=200)]
"""A target is compared, not shown: nothing of it is cut off."""

LIMITED = "whether it keeps to the program's limits while it runs: no second administrator approved it"


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
