"""The routes that rules and offers have in common: list, add, simulate, change, start, pause, end, approve, copy."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import BaseModel

from app.auth import Admin, Analyst, Caller
from app.campaigns import life
from app.campaigns.desks import Desk
from app.campaigns.life import Deed, Subject
from app.campaigns.schemas import LifeMoveIn, ReasonIn
from app.campaigns.simulation_schemas import SimulationOut
from app.db import WriteSession
from app.earning.lifecycle import State
from app.errors import Conflict, NeedsApproval, NotFound, RewardsError
from app.idempotency import Once, OnlyOnce
from app.paging import ById
from app.problems import problems
from app.program import service as programs
from app.routing import Router
from app.simulation.service import MOST_LINES
from app.wiring import Db, Time


@dataclass(frozen=True)
class Words:
    """Summaries and descriptions in the OpenAPI document that differ between the routes of rules and of offers."""

    one: str
    all: str
    running: str
    running_hold: str
    all_hold: str
    add: str
    move: str
    copy: str


def add_routes(router: Router, desk: Desk[Subject], words: Words, *add_refusals: type[RewardsError]) -> None:
    """Add the routes of rules or of offers; `add_refusals` are errors of the POST that adds a rule or offer."""
    kind, name = desk.kind, desk.name
    path = f"/{name}s/{{{name}_id}}"
    Key = Annotated[UUID, Path(alias=f"{name}_id")]  # noqa: N806  a type

    @router.get(
        f"/{name}s",
        operation_id=f"list_{name}s",
        summary=words.running,
        description=words.running_hold,
        response_model=desk.page,
    )
    def list_running(page: ById, db: Db, clock: Time) -> dict[str, Any]:
        with db.read() as session:
            shown = page.page(partial(desk.running, session, clock), f"{name}_id")
        return {f"{name}s": [desk.out.of(subject, clock.now()) for subject in shown.rows], "next": shown.next}

    @router.get(
        f"/{name}s/all",
        operation_id=f"list_all_{name}s",
        summary=f"All {words.all}, in every state",
        description=words.all_hold,
        response_model=desk.page,
    )
    def list_all(
        page: ById,
        caller: Analyst,
        db: Db,
        clock: Time,
        state: Annotated[State | None, Query(description="only this state; every state if absent")] = None,
    ) -> dict[str, Any]:
        with db.read() as session:
            shown = page.page(partial(desk.list, session, state, clock), f"{name}_id")
        return {f"{name}s": [desk.out.of(subject, clock.now()) for subject in shown.rows], "next": shown.next}

    @router.post(
        f"/{name}s",
        status_code=201,
        operation_id=f"add_{name}",
        summary=f"Add an {words.one}",
        description=f"{words.add}\n\nIt stays a draft if `draft` is true or it exceeds the program's limits "
        "(`past_limits`).",
        response_model=desk.out,
        responses=problems(*add_refusals),
    )
    def add(draft: desk.new, caller: Admin, once: OnlyOnce) -> Response:  # type: ignore[name-defined]  # a model
        deed = Deed(caller.subject, "", once.clock)

        def work(session: WriteSession) -> BaseModel:
            subject = life.add(session, kind, draft.subject(programs.program(session).zone), deed)
            return desk.out.of(subject, once.clock.now(), life.past_limits(session, kind, subject, once.clock))

        return once(caller.key, work)

    @router.post(
        f"/{name}s/simulations",
        operation_id=f"simulate_{name}",
        summary=f"Try an {words.one} on what was sold",
        responses=problems(NotFound),
    )
    def simulate(request: desk.simulation, caller: Admin, db: Db, clock: Time) -> SimulationOut:  # type: ignore[name-defined]  # a model
        """Returns what a rule or offer would have given on recent orders, and the limits it exceeds. Stores nothing."""
        with db.snapshot() as session:
            program = programs.program(session)
            new, key = getattr(request, name), getattr(request, f"{name}_id")
            subject = new.subject(program.zone) if new else desk.look_up(session, key)
            return SimulationOut.of(life.simulate(session, kind, subject, request.period(program, clock), MOST_LINES))

    @router.get(path, operation_id=f"get_{name}", summary=f"One {words.one}", response_model=desk.out)
    def get(key: Key, caller: Analyst, db: Db, clock: Time) -> BaseModel:
        """Returns a rule or offer in any state, with the program's limits that it exceeds."""
        with db.snapshot() as session:
            subject = desk.look_up(session, key)
            return desk.out.of(subject, clock.now(), life.past_limits(session, kind, subject, clock))

    @router.patch(
        path,
        operation_id=f"change_{name}",
        summary="Change a draft",
        response_model=desk.out,
        responses=problems(Conflict),
    )
    def change(key: Key, patch: desk.patch, caller: Admin, db: Db, clock: Time) -> BaseModel:  # type: ignore[name-defined]  # a model
        """Changes a draft. A started rule or offer can't be changed: pause or end it, and change a copy of it."""
        deed = Deed(caller.subject, patch.reason, clock)
        with db.write() as session:
            changes = patch.changes(programs.program(session).zone)
            return desk.out.of(life.change(session, kind, key, changes, deed), clock.now())

    @router.post(
        f"{path}/transitions",
        status_code=201,
        operation_id=f"move_{name}",
        summary="Start, pause, resume, end",
        description=words.move,
        response_model=desk.out,
        responses=problems(Conflict, NeedsApproval),
    )
    def move(key: Key, request: LifeMoveIn, caller: Admin, once: OnlyOnce) -> Response:
        def work(session: WriteSession, deed: Deed) -> Subject:
            return life.move(session, kind, key, State(request.to), deed)

        return answer(desk, caller, once, request.reason, work)

    @router.post(
        f"{path}/approvals",
        status_code=201,
        operation_id=f"approve_{name}",
        summary="Approve a draft",
        response_model=desk.out,
        responses=problems(Conflict),
    )
    def approve(key: Key, request: ReasonIn, caller: Admin, once: OnlyOnce) -> Response:
        """Approves a draft that exceeds limits, if you didn't write or last edit it. Changes void the approval."""
        return answer(desk, caller, once, request.reason, lambda session, deed: life.approve(session, kind, key, deed))

    @router.post(
        f"{path}/copies",
        status_code=201,
        operation_id=f"copy_{name}",
        summary=f"Copy an {words.one}",
        description=words.copy,
        response_model=desk.out,
    )
    def copy(key: Key, request: ReasonIn, caller: Admin, once: OnlyOnce) -> Response:
        return answer(desk, caller, once, request.reason, lambda session, deed: life.copy(session, kind, key, deed))


def answer(
    desk: Desk[Subject], caller: Caller, once: Once, reason: str, work: Callable[[WriteSession, Deed], Subject]
) -> Response:
    """Run `work` once for each Idempotency-Key, and return the response: the rule or offer that `work` returns."""
    deed = Deed(caller.subject, reason, once.clock)
    return once(caller.key, lambda session: desk.out.of(work(session, deed), once.clock.now()))
