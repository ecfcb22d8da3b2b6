"""The lifecycle of earning rules and offers: draft, scheduled, running, paused, ended.

Only the stages draft, started, paused and ended are stored. A started rule or offer is scheduled, running or ended by
its dates. This is computed at each read, so no job has to start or end it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class Stage(StrEnum):
    """The stage of a rule or offer, which is stored; its `State` follows from the stage and the dates."""

    DRAFT = "draft"
    STARTED = "started"
    PAUSED = "paused"
    ENDED = "ended"


class State(StrEnum):
    """The state of a rule or offer at an instant, computed from its stage and dates."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Event(StrEnum):
    """Events in the lifecycle of rules and offers: dates cause `begin` and `run_out`, requests cause the others."""

    CHANGE = "change"
    APPROVE = "approve"
    START = "start"
    BEGIN = "begin"
    PAUSE = "pause"
    RESUME = "resume"
    RESTOCK = "restock"
    END = "end"
    RUN_OUT = "run_out"


_DRAFTS_ONLY = Refused("only a draft is changed and approved; a copy of it is a draft")
_NOT_STARTED = Refused("it was not started yet")
_STARTED = Refused("it was started already")
_PAUSED = Refused("it is to be resumed first")
_OVER = Refused("what is over stays over; a copy of it is a draft")
_NOT_PAUSED = Refused("only what was paused is resumed")


def _life(name: str) -> Machine[State, Event]:
    draft, scheduled, running, paused, ended = State
    return Machine.of(
        name,
        State,
        Event,
        starts=(draft, scheduled, running),
        rows={
            Event.CHANGE: (draft, *(_DRAFTS_ONLY,) * 4),
            Event.APPROVE: (draft, *(_DRAFTS_ONLY,) * 4),
            Event.START: (scheduled, _STARTED, _STARTED, _PAUSED, _OVER),
            Event.BEGIN: (_NOT_STARTED, running, _STARTED, _PAUSED, _OVER),
            Event.PAUSE: (_NOT_STARTED, paused, paused, Refused("it is paused already"), _OVER),
            Event.RESUME: (_NOT_PAUSED, _NOT_PAUSED, _NOT_PAUSED, scheduled, _OVER),
            Event.RESTOCK: (draft, scheduled, running, paused, _OVER),
            Event.END: (ended, ended, ended, ended, _OVER),
            Event.RUN_OUT: (_NOT_STARTED, ended, ended, ended, _OVER),
        },
    )


OFFER, RULE = _life("offer"), _life("rule")
_STAGES = {
    State.DRAFT: Stage.DRAFT,
    State.SCHEDULED: Stage.STARTED,
    State.RUNNING: Stage.STARTED,
    State.PAUSED: Stage.PAUSED,
    State.ENDED: Stage.ENDED,
}


@dataclass(frozen=True, kw_only=True)
class Living:
    """The fields that rules and offers share.

    `edits` counts the changes of the draft, and `editor` made the last change. A `limited` rule or offer is subject to
    the program's limits, because no second administrator approved it.
    """

    stage: Stage = Stage.STARTED
    author: UUID | None = None
    editor: UUID | None = None
    edits: int = 0
    limited: bool = True

    @property
    def key(self) -> UUID:
        raise NotImplementedError

    @property
    def title(self) -> str:
        raise NotImplementedError

    @property
    def dates(self) -> tuple[datetime | None, datetime | None]:
        """Start and end of the period [start, end) in which the rule or offer runs; None means no bound."""
        raise NotImplementedError

    def state(self, at: datetime) -> State:
        starts_at, ends_at = self.dates
        if self.stage in (Stage.DRAFT, Stage.ENDED):
            return State(self.stage)
        if ends_at is not None and ends_at <= at:
            return State.ENDED
        if self.stage is Stage.PAUSED:
            return State.PAUSED
        return State.SCHEDULED if starts_at is not None and starts_at > at else State.RUNNING

    def runs(self, at: datetime) -> bool:
        return self.state(at) is State.RUNNING


def stage_after(machine: Machine[State, Event], living: Living, event: Event, at: datetime) -> Stage:
    """Return the stage of a rule or offer after an event. Raises WrongState if the current state refuses the event."""
    return _STAGES[machine.move(living.state(at), event)]


STATE_SQL = """CASE WHEN stage IN ('draft', 'ended') THEN stage WHEN ends_at <= %(at)s THEN 'ended'
                    WHEN stage = 'paused' THEN stage WHEN starts_at > %(at)s THEN 'scheduled' ELSE 'running' END"""
"""SQL expression for `Living.state` of a row at the instant in the parameter `at`."""
