"""Earning rules: read and store them."""

from uuid import UUID

from app.clock import Clock
from app.db import Session
from app.earning import repository
from app.earning.rules import Rule
from app.earning.stages import State
from app.errors import NotFound

# Functions of the repository that campaigns uses as they are.
every_rule = repository.rules
lock_rule = repository.lock_rule
insert_rule = repository.insert_rule
write_rule = repository.write_rule


def running(session: Session, clock: Clock, after: UUID | None, limit: int) -> list[Rule]:
    """Return the rules that run now, in the order of their ids."""
    return repository.running_rules(session, clock.now(), after, limit)


def rules(session: Session, state: State | None, clock: Clock, after: UUID | None, limit: int) -> list[Rule]:
    """Return rules in the order of their ids; with a state, only those in that state now."""
    return repository.rules_in(session, state, clock.now(), after, limit)


def rule(session: Session, rule_id: UUID) -> Rule:
    """Return a rule. Raises NotFound."""
    rule = repository.rule(session, rule_id)
    if rule is None:
        raise NotFound(f"there is no rule {rule_id}")
    return rule
