"""Earning rules: what runs now, what there is, and each move of a rule's life."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from app import ledger
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import BadInput, FieldError, NotFound
from app.money import minor_per_unit
from app.rewards import guard, life, rules_repository, targets
from app.rewards.earners import Rule, Stacking
from app.rewards.life import Deed, Kind
from app.rewards.models import Program
from app.rewards.stages import RULE, Stage, State
from app.rewards.targets import Target
from app.simulation.service import Tried


def running(session: Session, clock: Clock, after: UUID | None, limit: int) -> list[Rule]:
    """The rules that run now, in the order of their ids."""
    return rules_repository.running_rules(session, clock.now(), after, limit)


def rules(session: Session, state: State | None, clock: Clock, after: UUID | None, limit: int) -> list[Rule]:
    """Of any state, or of that one now, in the order of their ids."""
    return rules_repository.rules_in(session, state, clock.now(), after, limit)


def rule(session: Session, rule_id: UUID) -> Rule:
    """Raises NotFound."""
    rule = rules_repository.rule(session, rule_id)
    if rule is None:
        raise NotFound(f"there is no rule {rule_id}")
    return rule


def add(session: WriteSession, rule: Rule, deed: Deed, *, draft: bool = False) -> Rule:
    """Keep a rule as a draft, or start it at once.

    Raises BadInput where it ends before it starts, its target is unknown, or it would be exclusive beside another.
    """
    return life.add(session, RULES, rule, deed, draft=draft)


def _checked(session: Session, rule: Rule) -> Rule:
    life.must_end_after_it_starts(rule)
    target = targets.checked(session, Target(rule.scope, rule.target), draft=rule.stage is Stage.DRAFT)
    return replace(rule, target=target)


def _starting(session: WriteSession, rule: Rule, deed: Deed) -> None:  # noqa: ARG001
    if rule.stacking is Stacking.EXCLUSIVE:
        started = [other for other in rules_repository.rules(session) if other.stage in (Stage.STARTED, Stage.PAUSED)]
        _must_be_alone(rule, [other for other in started if other.rule_id != rule.rule_id])


def _must_be_alone(rule: Rule, others: Sequence[Rule]) -> None:
    for other in others:
        rivals = other.stacking is Stacking.EXCLUSIVE and other.priority == rule.priority
        if rivals and other.covers_as(rule) and other.overlaps(rule):
            said = f"{other.name} is exclusive there at that time with the same priority"
            raise BadInput(said, [FieldError("stacking", "overlapping-exclusive", "give it another priority")])


def _append(session: WriteSession, rule: Rule, deed: Mapping[str, Any]) -> None:
    ledger.append(session, "earning_rules", rule.rule_id, {**asdict(rule), **deed})


def _tried(rule: Rule, program: Program) -> Tried:
    return Tried(rule.earner(program.minor_per_100_points, minor_per_unit(program.currency)))


RULES: Kind[Rule] = Kind(
    machine=RULE,
    lock=rules_repository.lock_rule,
    insert=rules_repository.insert_rule,
    write=rules_repository.write_rule,
    checked=_checked,
    starting=_starting,
    with_key=lambda rule, rule_id: replace(rule, rule_id=rule_id),
    append=_append,
    gift=guard.gift_of,
    tried=_tried,
    content=asdict,
)
