"""Read and store earning rules."""

from uuid import UUID

from app.clock import Clock
from app.db import Session
from app.earning import repository
from app.earning.lifecycle import State
from app.earning.rules import Rule
from app.errors import NotFound

# Repository functions that other packages call.
every_rule = repository.rules
lock_rule = repository.lock_rule
insert_rule = repository.insert_rule
write_rule = repository.write_rule


def running(session: Session, clock: Clock, after: UUID | None, limit: int) -> list[Rule]:
    """Return the rules that run now, by id; `after` is the id of the previous page's last rule."""
    return repository.running_rules(session, clock.now(), after, limit)


def rules(session: Session, state: State | None, clock: Clock, after: UUID | None, limit: int) -> list[Rule]:
    """Return the rules that are in a state now, by id; a state of None means all rules."""
    return repository.rules_in(session, state, clock.now(), after, limit)


def rule(session: Session, rule_id: UUID) -> Rule:
    """Return a rule. Raises NotFound if there is none with this id."""
    rule = repository.rule(session, rule_id)
    if rule is None:
        raise NotFound(f"there is no rule {rule_id}")
    return rule
