"""Earning rules: what earns how much, and each rule's life."""

from functools import partial
from uuid import UUID

from fastapi.responses import Response

from app.auth import Admin
from app.campaigns import desks, life, rules
from app.campaigns.life import Deed
from app.campaigns.life_routes import Words, add_routes
from app.campaigns.rules_schemas import RuleIn, RuleOut, RulePatch, RuleSimulationIn, RulesOut
from app.campaigns.simulation_schemas import SimulationOut
from app.db import WriteSession
from app.earning import service as earning_rules
from app.errors import Conflict, NotFound
from app.idempotency import OnlyOnce
from app.ids import NIL
from app.paging import ById
from app.problems import problems
from app.program import service as programs
from app.routing import Router
from app.simulation.service import MOST_LINES
from app.wiring import Db, Time

router = Router(tags=["rewards"])
WORDS = Words(
    one="earning rule",
    all="earning rules",
    all_hold="Drafts, scheduled, paused and ended ones too.",
    move="Points that members have earned stay theirs.",
    copy="The copy is a draft.",
)


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
def simulate_rule(asked: RuleSimulationIn, caller: Admin, db: Db, clock: Time) -> SimulationOut:
    """What it would have given on this shop's own orders of the last weeks, and whether it may start at once.

    It only reads, and leaves nothing behind.
    """
    with db.snapshot() as session:
        rule = asked.rule.kept() if asked.rule else earning_rules.rule(session, asked.rule_id or NIL)
        period = asked.period(programs.program(session), clock)
        return SimulationOut.of(life.simulate(session, rules.RULES, rule, period, MOST_LINES))


@router.patch("/rules/{rule_id}", summary="Change a draft", responses=problems(Conflict))
def change_rule(rule_id: UUID, asked: RulePatch, caller: Admin, db: Db, clock: Time) -> RuleOut:
    """What was started is not changed: pause or end it, and copy it."""
    deed = Deed(caller.subject, asked.reason, clock)
    with db.write() as session:
        return RuleOut.of(life.change(session, rules.RULES, rule_id, asked.changes(), deed), clock.now())


add_routes(router, desks.RULES, RuleOut, RulesOut, WORDS)
