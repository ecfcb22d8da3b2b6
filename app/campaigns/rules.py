"""The lifecycle of earning rules, as far as it differs from that of offers (life.py)."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from app.campaigns import guard, life, targets
from app.campaigns.life import Deed, Kind
from app.db import Session, WriteSession
from app.earning import service as earning_rules
from app.earning.earners import Stacking
from app.earning.lifecycle import RULE, Stage
from app.earning.rules import Rule
from app.errors import BadInput, FieldError
from app.money import minor_per_unit
from app.program.models import Program
from app.simulation.service import Candidate


def _checked(session: Session, rule: Rule) -> Rule:
    life.must_end_after_it_starts(rule)
    target = targets.checked(session, rule.scope, rule.target, draft=rule.stage is Stage.DRAFT)
    return replace(rule, target=target)


def _starting(session: WriteSession, rule: Rule, deed: Deed) -> None:  # noqa: ARG001  only offers need it
    if rule.stacking is Stacking.EXCLUSIVE:
        started = [other for other in earning_rules.every_rule(session) if other.stage in (Stage.STARTED, Stage.PAUSED)]
        _must_be_alone(rule, [other for other in started if other.rule_id != rule.rule_id])


def _must_be_alone(rule: Rule, others: Sequence[Rule]) -> None:
    for other in others:
        rivals = other.stacking is Stacking.EXCLUSIVE and other.priority == rule.priority
        if rivals and other.covers_as(rule) and other.overlaps(rule):
            message = f"{other.name} is exclusive there at that time with the same priority"
            raise BadInput(message, [FieldError("stacking", "overlapping-exclusive", "give it another priority")])


def _candidate(rule: Rule, program: Program) -> Candidate:
    return Candidate(rule.earner(program.minor_per_100_points, minor_per_unit(program.currency)))


RULES: Kind[Rule] = Kind(
    machine=RULE,
    table="earning_rules",
    lock=earning_rules.lock_rule,
    insert=earning_rules.insert_rule,
    write=earning_rules.write_rule,
    checked=_checked,
    starting=_starting,
    with_key=lambda rule, rule_id: replace(rule, rule_id=rule_id),
    gift=guard.gift_of,
    candidate=_candidate,
    content=asdict,
)
