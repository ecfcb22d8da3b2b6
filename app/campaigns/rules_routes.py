"""Earning rules: what earns how much, and each rule's life."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import Response

from app.auth import Admin, Analyst
from app.campaigns import life, rules
from app.campaigns.life import Deed
from app.campaigns.rules_schemas import RuleIn, RuleOut, RulePatch, RuleSimulationIn, RulesOut
from app.campaigns.schemas import LifeMoveIn, ReasonIn
from app.campaigns.simulation_schemas import SimulationOut
from app.db import WriteSession
from app.earning import service as earning_rules
from app.earning.stages import State
from app.errors import Conflict, NeedsApproval, NotFound
from app.idempotency import OnlyOnce
from app.ids import NIL
from app.paging import ById
from app.problems import problems
from app.program import service as programs
from app.routing import Router
from app.simulation.service import MOST_LINES
from app.wiring import Db, Time

router = Router(tags=["rewards"])


@router.get("/rules", summary="What earns how much")
def list_rules(asked: ById, db: Db, clock: Time) -> RulesOut:
    """The rules that run now. See `stacking` for which of those that cover a product count."""
    now = clock.now()
    with db.read() as session:
        page = asked.page(partial(earning_rules.running, session, clock), "rule_id")
    return RulesOut(rules=[RuleOut.of(rule, now) for rule in page.rows], next=page.next)


@router.post("/rules", status_code=201, summary="Add an earning rule", response_model=RuleOut)
def add_rule(asked: RuleIn, caller: Admin, once: OnlyOnce) -> Response:
    """Counts for orders from then on.

    It is kept as a draft where `draft` says so, or where it gives more than the program's limits (`past_limits`).
    """
    rule = asked.kept()
    deed = Deed(caller.subject, "", once.clock)

    def work(session: WriteSession) -> RuleOut:
        added = rules.add(session, rule, deed, draft=asked.draft)
        return RuleOut.of(added, once.clock.now(), life.past_limits(session, rules.RULES, added, once.clock))

    return once(caller.key, work)


@router.post("/rules/simulations", summary="Try an earning rule on what was sold", responses=problems(NotFound))
def simulate_rule(asked: RuleSimulationIn, caller: Admin, db: Db, clock: Time) -> SimulationOut:  # noqa: ARG001
    """What it would have given on this shop's own orders of the last weeks, and whether it may start at once.

    It only reads, and leaves nothing behind.
    """
    with db.snapshot() as session:
        rule = asked.rule.kept() if asked.rule else earning_rules.rule(session, asked.rule_id or NIL)
        period = asked.period(programs.program(session), clock)
        return SimulationOut.of(life.simulate(session, rules.RULES, rule, period, MOST_LINES))


@router.get("/rules/all", summary="All earning rules, in every state")
def list_all_rules(
    asked: ById,
    caller: Analyst,  # noqa: ARG001
    db: Db,
    clock: Time,
    state: Annotated[State | None, Query(description="only those; every state if absent")] = None,
) -> RulesOut:
    """Drafts, scheduled, paused and ended ones too."""
    now = clock.now()
    with db.read() as session:
        page = asked.page(partial(earning_rules.rules, session, state, clock), "rule_id")
    return RulesOut(rules=[RuleOut.of(rule, now) for rule in page.rows], next=page.next)


@router.get("/rules/{rule_id}", summary="One earning rule", responses=problems(NotFound))
def get_rule(rule_id: UUID, caller: Analyst, db: Db, clock: Time) -> RuleOut:  # noqa: ARG001
    """In whatever state it is."""
    with db.snapshot() as session:
        rule = earning_rules.rule(session, rule_id)
        return RuleOut.of(rule, clock.now(), life.past_limits(session, rules.RULES, rule, clock))


@router.patch("/rules/{rule_id}", summary="Change a draft", responses=problems(NotFound, Conflict))
def change_rule(rule_id: UUID, asked: RulePatch, caller: Admin, db: Db, clock: Time) -> RuleOut:
    """What was started is not changed: pause or end it, and copy it."""
    deed = Deed(caller.subject, asked.reason, clock)
    with db.write() as session:
        return RuleOut.of(life.change(session, rules.RULES, rule_id, asked.changes(), deed), clock.now())


@router.post(
    "/rules/{rule_id}/transitions",
    status_code=201,
    summary="Start, pause, resume, end",
    response_model=RuleOut,
    responses=problems(NotFound, Conflict, NeedsApproval),
)
def move_rule(rule_id: UUID, asked: LifeMoveIn, caller: Admin, once: OnlyOnce) -> Response:
    """Points that members have earned stay theirs."""
    deed = Deed(caller.subject, asked.reason, once.clock)

    def work(session: WriteSession) -> RuleOut:
        return RuleOut.of(life.move(session, rules.RULES, rule_id, State(asked.to), deed), once.clock.now())

    return once(caller.key, work)


@router.post(
    "/rules/{rule_id}/approvals",
    status_code=201,
    summary="Approve a draft",
    response_model=RuleOut,
    responses=problems(NotFound, Conflict),
)
def approve_rule(rule_id: UUID, asked: ReasonIn, caller: Admin, once: OnlyOnce) -> Response:
    """For what gives more than the program's limits; not by who wrote it, and void once it is changed."""
    deed = Deed(caller.subject, asked.reason, once.clock)
    return once(
        caller.key, lambda session: RuleOut.of(life.approve(session, rules.RULES, rule_id, deed), once.clock.now())
    )


@router.post(
    "/rules/{rule_id}/copies",
    status_code=201,
    summary="Copy an earning rule",
    response_model=RuleOut,
    responses=problems(NotFound),
)
def copy_rule(rule_id: UUID, asked: ReasonIn, caller: Admin, once: OnlyOnce) -> Response:
    """The copy is a draft."""
    deed = Deed(caller.subject, asked.reason, once.clock)
    return once(
        caller.key, lambda session: RuleOut.of(life.copy(session, rules.RULES, rule_id, deed), once.clock.now())
    )
