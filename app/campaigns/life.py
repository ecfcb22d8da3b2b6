"""The lifecycle of rules and offers: add, simulate, change, approve, start, pause, end and copy them.

A subject is a rule or an offer. The ledger records each event with the administrator and the reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from uuid import UUID

from app import ledger
from app.campaigns import guard
from app.campaigns.guard import Gift
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.earning.lifecycle import Event, Living, Stage, State, stage_after
from app.errors import BadInput, Conflict, FieldError, NeedsApproval, NotFound
from app.ids import new_id
from app.program import service as programs
from app.program.models import Program
from app.simulation import service as simulating
from app.simulation.models import Period, Simulation
from app.simulation.service import Candidate
from app.states import Machine

Subject = TypeVar("Subject", bound=Living)


@dataclass(frozen=True)
class Deed:
    """Who changes a rule or offer (`by`, an administrator) and why, with the clock for the time of the change."""

    by: UUID | None
    reason: str
    clock: Clock


@dataclass(frozen=True)
class Kind(Generic[Subject]):
    """What differs between rules and offers in their lifecycle: there is one Kind for rules and one for offers.

    A subject is a rule or an offer. `table` is the ledger table that records its changes. `write` stores a subject if
    its stage in the database is still the given one; it returns the number of rows changed. `checked` returns the
    subject with its target's canonical spelling, or raises BadInput. `starting` raises an error if the subject may not
    start. `candidate` returns what to simulate, or None if the subject gives no points. `content` returns the fields
    that the ledger stores and an approval covers.
    """

    machine: Machine[State, Event]
    table: str
    lock: Callable[[WriteSession, UUID], Subject | None]
    insert: Callable[[WriteSession, Subject], None]
    write: Callable[[WriteSession, Subject, Stage], int]
    checked: Callable[[Session, Subject], Subject]
    starting: Callable[[WriteSession, Subject, Deed], None]
    with_key: Callable[[Subject, UUID], Subject]
    gift: Callable[[Subject, Program], Gift]
    candidate: Callable[[Subject, Program], Candidate | None]
    content: Callable[[Subject], dict[str, Any]]


def add(session: WriteSession, kind: Kind[Subject], subject: Subject, deed: Deed) -> Subject:
    """Store a new rule or offer. If it is to start but exceeds the program's limits, it is stored as a draft.

    Raises the errors of `kind.checked` and, unless it is stored as a draft, of `kind.starting`.
    """
    new = replace(subject, author=deed.by, editor=deed.by)
    if new.stage is Stage.STARTED and _past_limits(session, kind, new, None):
        new = replace(new, stage=Stage.DRAFT)
    new = kind.checked(session, new)
    if new.stage is Stage.STARTED and _past_limits(session, kind, new, deed.clock):
        new = replace(new, stage=Stage.DRAFT)
    if new.stage is Stage.STARTED:
        kind.starting(session, new, deed)
    kind.insert(session, new)
    journal(session, kind, new, "add", deed)
    return new


def change(session: WriteSession, kind: Kind[Subject], key: UUID, changes: Mapping[str, Any], deed: Deed) -> Subject:
    """Change a draft and void its approvals. Raises NotFound, Conflict if it has started, BadInput if invalid."""
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
    """Start, pause, resume or end a rule or offer.

    Raises NotFound, Conflict if its state does not allow that, NeedsApproval if it exceeds the program's limits, and
    the errors of `kind.checked` and `kind.starting`.
    """
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
    """Approve a draft. Raises NotFound, Conflict if it isn't a draft, NotAllowed for its author and its last editor."""
    subject = lock(session, kind, key)
    stage_after(kind.machine, subject, Event.APPROVE, deed.clock.now())
    guard.approve(session, subject, kind.content(subject), deed.by, deed.clock.now())
    journal(session, kind, subject, Event.APPROVE, deed)
    return subject


def simulate(
    session: Session, kind: Kind[Subject], subject: Subject, period: Period, most_lines: int | None
) -> Simulation:
    """Simulate a rule or offer on past sales: the points it would have given, and the program's limits it exceeds.

    The session must be a snapshot. Raises BadInput if the subject's target is unknown, if the subject earns no points,
    and if more than `most_lines` order lines were sold in the period.
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
    return replace(simulation, past_limits=guard.errors(excesses))


def past_limits(session: Session, kind: Kind[Subject], subject: Subject, clock: Clock) -> list[FieldError]:
    """Return which of the program's limits a draft exceeds; [] if it is approved or is not a draft."""
    return _past_limits(session, kind, subject, clock) if subject.stage is Stage.DRAFT else []


def _past_limits(session: Session, kind: Kind[Subject], subject: Subject, clock: Clock | None) -> list[FieldError]:
    """Return the program's limits that a rule or offer exceeds by its terms and, if `clock` is given, in a simulation.

    Returns an empty list if the rule or offer is approved.
    """
    if guard.approved(session, subject, kind.content(subject)):
        return []
    program = programs.program(session)
    excesses = guard.excess(session, kind.gift(subject, program), program)
    candidate = kind.candidate(subject, program)
    if candidate and clock:
        today = local_date(clock.now(), program.zone)
        excesses += guard.simulated_excess(simulating.at_start(session, program, candidate, today), program)
    return guard.errors(excesses)


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
    return Event.RESUME if state is State.PAUSED else Event.START


def copy(session: WriteSession, kind: Kind[Subject], key: UUID, deed: Deed) -> Subject:
    """Copy a rule or offer to a new draft, which has no approvals. Raises NotFound."""
    original = kind.with_key(lock(session, kind, key), new_id())
    new = replace(original, stage=Stage.DRAFT, author=deed.by, editor=deed.by, edits=0, limited=True)
    kind.insert(session, new)
    journal(session, kind, new, "copy", deed, copied_from=key)
    return new


def lock(session: WriteSession, kind: Kind[Subject], key: UUID) -> Subject:
    """Lock the row of a rule or offer until the transaction ends, and return the rule or offer. Raises NotFound."""
    subject = kind.lock(session, key)
    if subject is None:
        raise NotFound(f"there is no {kind.machine.name} {key}")
    return subject


def must_end_after_it_starts(subject: Living) -> None:
    """Raise BadInput if a rule or offer does not end after its start."""
    starts_at, ends_at = subject.dates
    if starts_at and ends_at and starts_at >= ends_at:
        raise BadInput("it ends after it starts", [FieldError("ends_at", "before-start", "must be after starts_at")])


def _store(session: WriteSession, kind: Kind[Subject], subject: Subject, stored_stage: Stage) -> None:
    kind.machine.must_move(kind.write(session, subject, stored_stage))


def journal(
    session: WriteSession, kind: Kind[Subject], subject: Subject, event: str, deed: Deed, **more: object
) -> None:
    """Append a rule or offer to the ledger, with the event, administrator, reason and the fields in `more`."""
    record = {"event": event, "by": deed.by, "reason": deed.reason, "at": deed.clock.now(), **more}
    ledger.append(session, kind.table, subject.key, {**kind.content(subject), **record})
