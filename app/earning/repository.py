"""SQL for earning rules and for the usage of caps; app/earning/caps.py explains cap keys."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from app.db import Session, WriteSession, as_json
from app.earning.lifecycle import STATE_SQL, Stage, State
from app.earning.rules import Rule

_RULE = """rule_id, name, scope, target, method, amount, nullif(starts_at, '-infinity') AS starts_at,
           nullif(ends_at, 'infinity') AS ends_at, stacking, priority, cap_member, cap_member_day, budget, over_cap,
           when_free, stage, author, editor, edits, limited"""


def rules(session: Session) -> list[Rule]:
    """Return all earning rules, including drafts and ended ones."""
    return session.all(Rule, f"SELECT {_RULE} FROM earning_rules ORDER BY rule_id")


def running_rules(session: Session, at: datetime, after: UUID | None, limit: int) -> list[Rule]:
    """Return the rules that run at an instant, by id; `after` is the id of the previous page's last rule."""
    return session.all(
        Rule,
        f"""SELECT {_RULE} FROM earning_rules
            WHERE stage = 'started' AND starts_at <= %(at)s AND ends_at > %(at)s
            {"AND rule_id > %(after)s" if after else ""} ORDER BY rule_id LIMIT %(limit)s""",
        {"at": at, "after": after, "limit": limit},
    )


def rules_in(session: Session, state: State | None, at: datetime, after: UUID | None, limit: int) -> list[Rule]:
    """Return the rules that are in a state at an instant, by id; a state of None means all rules."""
    return session.all(
        Rule,
        f"""SELECT {_RULE} FROM earning_rules WHERE (%(state)s::text IS NULL OR %(state)s = {STATE_SQL})
            {"AND rule_id > %(after)s" if after else ""} ORDER BY rule_id LIMIT %(limit)s""",
        {"state": state, "at": at, "after": after, "limit": limit},
    )


def rule(session: Session, rule_id: UUID) -> Rule | None:
    return session.one(Rule, f"SELECT {_RULE} FROM earning_rules WHERE rule_id = %s", (rule_id,))


def lock_rule(session: WriteSession, rule_id: UUID) -> Rule | None:
    return session.one(Rule, f"SELECT {_RULE} FROM earning_rules WHERE rule_id = %s FOR NO KEY UPDATE", (rule_id,))


def insert_rule(session: WriteSession, rule: Rule) -> None:
    session.run(
        """INSERT INTO earning_rules (rule_id, name, scope, target, method, amount, starts_at, ends_at, stacking,
               priority, cap_member, cap_member_day, budget, over_cap, when_free, stage, author, editor, edits, limited)
           VALUES (%(rule_id)s, %(name)s, %(scope)s, %(target)s, %(method)s, %(amount)s,
               coalesce(%(starts_at)s::timestamptz, '-infinity'), coalesce(%(ends_at)s::timestamptz, 'infinity'),
               %(stacking)s, %(priority)s, %(cap_member)s, %(cap_member_day)s, %(budget)s, %(over_cap)s,
               %(when_free)s, %(stage)s, %(author)s, %(editor)s, %(edits)s, %(limited)s)""",
        asdict(rule),
    )


def write_rule(session: WriteSession, rule: Rule, expected: Stage) -> int:
    """Update a rule if its stored stage is `expected`, and return the number of rows changed: 1 or 0."""
    return session.count(
        """UPDATE earning_rules SET name = %(name)s, scope = %(scope)s, target = %(target)s, method = %(method)s,
               amount = %(amount)s, starts_at = coalesce(%(starts_at)s::timestamptz, '-infinity'),
               ends_at = coalesce(%(ends_at)s::timestamptz, 'infinity'), stacking = %(stacking)s,
               priority = %(priority)s, cap_member = %(cap_member)s, cap_member_day = %(cap_member_day)s,
               budget = %(budget)s, over_cap = %(over_cap)s, when_free = %(when_free)s,
               stage = %(stage)s, editor = %(editor)s, edits = %(edits)s, limited = %(limited)s
           WHERE rule_id = %(rule_id)s AND stage = %(expected)s""",
        {**asdict(rule), "expected": expected},
    )


def caps_used(session: Session, keys: Sequence[str]) -> dict[str, int]:
    return dict(session.rows("SELECT cap_key, used FROM cap_usage WHERE cap_key = ANY(%s)", (keys,)))


def lock_caps(session: WriteSession, most: Mapping[str, int]) -> dict[str, int]:
    """Lock caps until the transaction ends, store their limits (`most`), and return each cap's points used so far."""
    session.run(
        """INSERT INTO cap_usage AS c (cap_key, most) SELECT key, value::bigint FROM json_each_text(%s)
           ORDER BY key COLLATE "C"
           ON CONFLICT (cap_key) DO UPDATE SET most = greatest(excluded.most, c.used) WHERE c.most <> excluded.most""",
        (as_json(most),),
    )
    locking = "SELECT cap_key, used FROM cap_usage WHERE cap_key = ANY(%s) ORDER BY cap_key FOR UPDATE"
    return dict(session.rows(locking, (list(most),)))


def use_caps(session: WriteSession, taken: Mapping[str, int]) -> None:
    session.run(
        "UPDATE cap_usage SET used = used + value::bigint FROM json_each_text(%s) WHERE cap_key = key",
        (as_json(taken),),
    )


def count_use(session: WriteSession, most: Mapping[str, int]) -> None:
    """Count one use of a voucher for each cap key; `most` maps cap keys to limits. Raises Conflict beyond a limit."""
    session.run(
        """INSERT INTO cap_usage (cap_key, most, used)
           SELECT key, value::bigint, 1 FROM json_each_text(%s) ORDER BY key
           ON CONFLICT (cap_key) DO UPDATE SET used = cap_usage.used + 1""",
        (as_json(most),),
    )


def free_caps(session: WriteSession, keys: Sequence[str], points: int) -> None:
    """Subtract points, or a voucher's uses, from the stored usage of each of these caps."""
    session.run(
        """UPDATE cap_usage AS c SET used = used - %s
           FROM (SELECT cap_key FROM cap_usage WHERE cap_key = ANY(%s) ORDER BY cap_key FOR UPDATE) AS locked
           WHERE locked.cap_key = c.cap_key""",
        (points, list(keys)),
    )
