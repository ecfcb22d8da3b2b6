"""Routes that rules and offers have alike: an administrator looks at them and moves them through their life."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import BaseModel

from app.auth import Admin, Analyst
from app.campaigns import life
from app.campaigns.desks import Desk
from app.campaigns.life import Deed, Subject
from app.campaigns.schemas import LifeMoveIn, ReasonIn
from app.earning.stages import State
from app.errors import Conflict, NeedsApproval
from app.idempotency import OnlyOnce
from app.paging import ById
from app.problems import problems
from app.routing import Router
from app.wiring import Db, Time


@dataclass(frozen=True)
class Words:
    """What the documentation says where rules and offers differ."""

    one: str
    all: str
    all_hold: str
    move: str
    copy: str


def add_routes(router: Router, desk: Desk[Subject], one: type[BaseModel], page: type[BaseModel], words: Words) -> None:
    """List all, look at one, start, pause, resume, end, approve and copy; `one` and `page` are what is answered."""
    name = desk.kind.machine.name
    path = f"/{name}s/{{{name}_id}}"
    Key = Annotated[UUID, Path(alias=f"{name}_id")]  # noqa: N806  a type

    @router.get(
        f"/{name}s/all",
        operation_id=f"list_all_{name}s",
        summary=f"All {words.all}, in every state",
        description=words.all_hold,
        response_model=page,
    )
    def list_all(
        asked: ById,
        caller: Analyst,
        db: Db,
        clock: Time,
        state: Annotated[State | None, Query(description="only those; every state if absent")] = None,
    ) -> dict[str, Any]:
        with db.read() as session:
            shown = asked.page(partial(desk.list, session, state, clock), f"{name}_id")
        return {f"{name}s": [desk.out(subject, clock.now(), ()) for subject in shown.rows], "next": shown.next}

    @router.get(path, operation_id=f"get_{name}", summary=f"One {words.one}", response_model=one)
    def get(key: Key, caller: Analyst, db: Db, clock: Time) -> BaseModel:
        """In whatever state it is."""
        with db.snapshot() as session:
            subject = desk.look_up(session, key)
            return desk.out(subject, clock.now(), life.past_limits(session, desk.kind, subject, clock))

    @router.post(
        f"{path}/transitions",
        status_code=201,
        operation_id=f"move_{name}",
        summary="Start, pause, resume, end",
        description=words.move,
        response_model=one,
        responses=problems(Conflict, NeedsApproval),
    )
    def move(key: Key, asked: LifeMoveIn, caller: Admin, once: OnlyOnce) -> Response:
        deed = Deed(caller.subject, asked.reason, once.clock)
        return once(
            caller.key,
            lambda session: desk.out(life.move(session, desk.kind, key, State(asked.to), deed), once.clock.now(), ()),
        )

    @router.post(
        f"{path}/approvals",
        status_code=201,
        operation_id=f"approve_{name}",
        summary="Approve a draft",
        response_model=one,
        responses=problems(Conflict),
    )
    def approve(key: Key, asked: ReasonIn, caller: Admin, once: OnlyOnce) -> Response:
        """For what gives more than the program's limits; not by who wrote it, and void once it is changed."""
        deed = Deed(caller.subject, asked.reason, once.clock)
        return once(
            caller.key, lambda session: desk.out(life.approve(session, desk.kind, key, deed), once.clock.now(), ())
        )

    @router.post(
        f"{path}/copies",
        status_code=201,
        operation_id=f"copy_{name}",
        summary=f"Copy an {words.one}",
        description=words.copy,
        response_model=one,
    )
    def copy(key: Key, asked: ReasonIn, caller: Admin, once: OnlyOnce) -> Response:
        deed = Deed(caller.subject, asked.reason, once.clock)
        return once(
            caller.key, lambda session: desk.out(life.copy(session, desk.kind, key, deed), once.clock.now(), ())
        )
