"""The life of earning rules and offers: draft, scheduled, running, paused, ended.

Draft, paused and ended are stored. Whether a started one is scheduled, running or over is computed from its dates when
it is read, so no job has to start or end it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class Stage(StrEnum):
    """The stored stage."""

    DRAFT = "draft"
    STARTED = "started"
    PAUSED = "paused"
    ENDED = "ended"


class State(StrEnum):
    """The state at a given instant."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Event(StrEnum):
    """Events of a life; `begin` and `run_out` happen by date, without a request."""

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
_Move = State | Refused


def _row(draft: _Move, scheduled: _Move, running: _Move, paused: _Move, ended: _Move) -> dict[State, _Move]:
    return dict(zip(State, (draft, scheduled, running, paused, ended), strict=True))


def _life(name: str) -> Machine[State, Event]:
    draft, scheduled, running, paused, ended = State
    return Machine(
        name,
        State,
        Event,
        starts=(draft, scheduled, running),
        table={
            Event.CHANGE: _row(draft, *(_DRAFTS_ONLY,) * 4),
            Event.APPROVE: _row(draft, *(_DRAFTS_ONLY,) * 4),
            Event.START: _row(scheduled, _STARTED, _STARTED, _PAUSED, _OVER),
            Event.BEGIN: _row(_NOT_STARTED, running, _STARTED, _PAUSED, _OVER),
            Event.PAUSE: _row(_NOT_STARTED, paused, paused, Refused("it is paused already"), _OVER),
            Event.RESUME: _row(_NOT_PAUSED, _NOT_PAUSED, _NOT_PAUSED, scheduled, _OVER),
            Event.RESTOCK: _row(draft, scheduled, running, paused, _OVER),
            Event.END: _row(ended, ended, ended, ended, _OVER),
            Event.RUN_OUT: _row(_NOT_STARTED, ended, ended, ended, _OVER),
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

    `edits` counts changes of the draft; `editor` made the newest one. If `limited`, the program's limits apply while it
    runs, because no second administrator approved it.
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
        """Start and end: it runs in [start, end); None means no limit on that side."""
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
    """Return the stage after an event. Raises WrongState."""
    return _STAGES[machine.move(living.state(at), event)]


STATE_SQL = """CASE WHEN stage IN ('draft', 'ended') THEN stage WHEN ends_at <= %(at)s THEN 'ended'
                    WHEN stage = 'paused' THEN stage WHEN starts_at > %(at)s THEN 'scheduled' ELSE 'running' END"""
"""SQL equivalent of `Living.state` at the parameter `at`."""
