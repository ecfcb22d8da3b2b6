"""Move rules and offers through their states. The ledger records each move with administrator and reason.

A subject is a rule or an offer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from uuid import UUID

from app.campaigns import guard
from app.campaigns.guard import Gift
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.earning.stages import Event, Living, Stage, State, stage_after
from app.errors import BadInput, Conflict, FieldError, NeedsApproval, NotFound
from app.ids import new_id
from app.program import service as programs
from app.program.models import Program
from app.simulation import service as simulating
from app.simulation.models import Period, Simulation
from app.simulation.service import Candidate
from app.states import Machine

Subject = TypeVar("Subject", bound=Living)

_EVENT = {
    (State.DRAFT, State.RUNNING): Event.START,
    (State.DRAFT, State.SCHEDULED): Event.START,
    (State.PAUSED, State.RUNNING): Event.RESUME,
    (State.PAUSED, State.SCHEDULED): Event.RESUME,
}


@dataclass(frozen=True)
class Deed:
    """Who acts, why, and by which clock."""

    by: UUID | None
    reason: str
    clock: Clock


@dataclass(frozen=True)
class Kind(Generic[Subject]):
    """The functions that store and check rules, or offers.

    `lock` locks and reads a row, `insert` inserts one, `write` stores one if its stage is unchanged. `checked` returns
    the subject with its target in the catalogue's spelling, and raises BadInput; `starting` raises an error if the
    subject may not start. `append` writes a revision to the ledger. `candidate` returns the input of a simulation, or
    None if it earns nothing.
    """

    machine: Machine[State, Event]
    lock: Callable[[WriteSession, UUID], Subject | None]
    insert: Callable[[WriteSession, Subject], None]
    write: Callable[[WriteSession, Subject, Stage], int]
    checked: Callable[[Session, Subject], Subject]
    starting: Callable[[WriteSession, Subject, Deed], None]
    with_key: Callable[[Subject, UUID], Subject]
    append: Callable[[WriteSession, Subject, Mapping[str, Any]], None]
    gift: Callable[[Subject, Program], Gift]
    candidate: Callable[[Subject, Program], Candidate | None]
    content: Callable[[Subject], dict[str, Any]]


def add(session: WriteSession, kind: Kind[Subject], subject: Subject, deed: Deed, *, draft: bool) -> Subject:
    """Store a new subject as a draft or start it at once; it stays a draft if it exceeds the program's limits.

    Raises the errors of `checked` and `starting`.
    """
    new = replace(subject, stage=Stage.STARTED, author=deed.by, editor=deed.by)
    draft = draft or bool(_past_limits(session, kind, new, None))
    new = kind.checked(session, replace(new, stage=Stage.DRAFT if draft else Stage.STARTED))
    if not draft and _past_limits(session, kind, new, deed.clock):
        draft, new = True, replace(new, stage=Stage.DRAFT)
    if not draft:
        kind.starting(session, new, deed)
    kind.insert(session, new)
    journal(session, kind, new, "add", deed)
    return new


def change(session: WriteSession, kind: Kind[Subject], key: UUID, changes: Mapping[str, Any], deed: Deed) -> Subject:
    """Change a draft, which makes earlier approvals void. Raises NotFound, Conflict, BadInput."""
    subject = lock(session, kind, key)
    stage_after(kind.machine, subject, Event.CHANGE, deed.clock.now())
    changed = kind.checked(session, replace(subject, **changes))
    if changed == subject:
        return subject
    changed = replace(changed, editor=deed.by, edits=subject.edits + 1)
    _store(session, kind, changed, subject.stage)
    journal(session, kind, changed, Event.CHANGE, deed)
    return changed


def move(session: WriteSession, kind: Kind[Subject], key: UUID, to: State, deed: Deed) -> Subject:
    """Start, pause, resume or end a subject. Raises NotFound, Conflict, and the errors of `starting`."""
    subject, now = lock(session, kind, key), deed.clock.now()
    event = _event(subject.state(now), to)
    moved = replace(subject, stage=stage_after(kind.machine, subject, event, now))
    if event in (Event.START, Event.RESUME):
        if moved.state(now) is State.ENDED:
            raise Conflict(f"{subject.title} would be over at once: its last moment has passed")
        moved = replace(moved, limited=not guard.approved(session, moved, kind.content(moved)))
        checked = kind.checked(session, moved)
        _must_be_approved(session, kind, moved, deed.clock)
        kind.starting(session, checked, deed)
    _store(session, kind, moved, subject.stage)
    journal(session, kind, moved, event, deed)
    return moved


def approve(session: WriteSession, kind: Kind[Subject], key: UUID, deed: Deed) -> Subject:
    """Approve a draft with its current content. Raises NotFound, Conflict, NotAllowed for its author or last editor."""
    subject = lock(session, kind, key)
    stage_after(kind.machine, subject, Event.APPROVE, deed.clock.now())
    guard.approve(session, subject, kind.content(subject), deed.by, deed.clock.now())
    journal(session, kind, subject, Event.APPROVE, deed)
    return subject


def simulate(
    session: Session, kind: Kind[Subject], subject: Subject, period: Period, most_lines: int | None
) -> Simulation:
    """Return what it would have given, with the limits it exceeds. The session must be a snapshot.

    Raises BadInput if its target is unknown, it earns nothing, or too much was sold in the period.
    """
    checked = kind.checked(session, replace(subject, stage=Stage.STARTED))
    program = programs.program(session)
    candidate = kind.candidate(checked, program)
    if candidate is None:
        errors = [FieldError("terms", "earns-nothing", "an item is had for points; it gives none")]
        raise BadInput(f"{subject.title} earns nothing: there is nothing to try", errors)
    simulation = simulating.simulate(session, program, candidate, period, most_lines)
    excesses = [
        *guard.excess(session, kind.gift(checked, program), program),
        *guard.simulated_excess(simulation, program),
    ]
    return replace(simulation, past_limits=[excess.error() for excess in guard.largest_excess(excesses)])


def past_limits(session: Session, kind: Kind[Subject], subject: Subject, clock: Clock) -> list[FieldError]:
    """Return the limits that an unapproved draft exceeds, by its terms and by recent sales."""
    return _past_limits(session, kind, subject, clock) if subject.stage is Stage.DRAFT else []


def _past_limits(session: Session, kind: Kind[Subject], subject: Subject, clock: Clock | None) -> list[FieldError]:
    """Return the limits that are exceeded; without a clock, by its terms only."""
    if guard.approved(session, subject, kind.content(subject)):
        return []
    program = programs.program(session)
    excesses = guard.excess(session, kind.gift(subject, program), program)
    candidate = kind.candidate(subject, program)
    if candidate and clock:
        today = local_date(clock.now(), program.zone)
        excesses += guard.simulated_excess(simulating.at_start(session, program, candidate, today), program)
    return [excess.error() for excess in guard.largest_excess(excesses)]


def _must_be_approved(session: WriteSession, kind: Kind[Subject], subject: Subject, clock: Clock) -> None:
    if errors := _past_limits(session, kind, subject, clock):
        excesses = "; ".join(f"{error.field}: {error.message}" for error in errors)
        raise NeedsApproval(
            f"{subject.title} gives more than may be given without a second administrator: {excesses}", errors
        )


def _event(state: State, to: State) -> Event:
    if to is State.ENDED:
        return Event.END
    if to is State.PAUSED:
        return Event.PAUSE
    return _EVENT.get((state, to), Event.START)


def copy(session: WriteSession, kind: Kind[Subject], key: UUID, deed: Deed) -> Subject:
    """Copy a subject to a draft without approvals. Raises NotFound."""
    original = kind.with_key(lock(session, kind, key), new_id())
    new = replace(original, stage=Stage.DRAFT, author=deed.by, editor=deed.by, edits=0, limited=True)
    kind.insert(session, new)
    journal(session, kind, new, "copy", deed, copied_from=key)
    return new


def lock(session: WriteSession, kind: Kind[Subject], key: UUID) -> Subject:
    """Lock and return a subject. Raises NotFound."""
    subject = kind.lock(session, key)
    if subject is None:
        raise NotFound(f"there is no {kind.machine.name} {key}")
    return subject


def must_end_after_it_starts(subject: Living) -> None:
    """Check the dates. Raises BadInput."""
    starts_at, ends_at = subject.dates
    if starts_at and ends_at and starts_at >= ends_at:
        raise BadInput("it ends after it starts", [FieldError("ends_at", "before-start", "must be after starts_at")])


def _store(session: WriteSession, kind: Kind[Subject], subject: Subject, stored_stage: Stage) -> None:
    kind.machine.must_move(kind.write(session, subject, stored_stage))


def journal(
    session: WriteSession, kind: Kind[Subject], subject: Subject, event: str, deed: Deed, **more: object
) -> None:
    """Write a revision of the subject with the event, administrator and reason to the ledger."""
    deed_record = {"event": event, "by": deed.by, "reason": deed.reason, "at": deed.clock.now(), **more}
    kind.append(session, subject, deed_record)
