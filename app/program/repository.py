"""SQL for the program's settings and their history."""

from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

from app.db import Session, WriteSession, as_json
from app.program.models import Program
from app.program.periods import InForce

_PROGRAM = """name, currency, time_zone, minor_per_100_points, return_window_days, expire_after_days, return_policy,
              earning_base, correction_limit_points, most_percent, most_multiplier_percent, most_points_per_unit,
              most_points_per_order, most_points_per_day, most_points_in_all,
              coalesce(return_terms, '{}') AS return_terms"""


def program(session: Session) -> Program:
    program = session.one(Program, f"SELECT {_PROGRAM} FROM program")
    assert program is not None  # noqa: S101  the first migration writes it
    return program


def zone(session: Session) -> ZoneInfo:
    """Return the program's time zone; unlike the other settings, every database login may read it."""
    return ZoneInfo(session.value("SELECT time_zone FROM program"))


def set_program(session: WriteSession, changed: Program) -> None:
    session.run(
        """UPDATE program SET name = %(name)s, currency = %(currency)s, time_zone = %(time_zone)s,
               minor_per_100_points = %(minor_per_100_points)s, return_window_days = %(return_window_days)s,
               expire_after_days = %(expire_after_days)s, return_policy = %(return_policy)s,
               earning_base = %(earning_base)s, correction_limit_points = %(correction_limit_points)s,
               most_percent = %(most_percent)s, most_multiplier_percent = %(most_multiplier_percent)s,
               most_points_per_unit = %(most_points_per_unit)s, most_points_per_order = %(most_points_per_order)s,
               most_points_per_day = %(most_points_per_day)s, most_points_in_all = %(most_points_in_all)s,
               return_terms = nullif(%(return_terms)s::jsonb, '{}')""",
        {**asdict(changed), "return_terms": as_json(changed.return_terms)},
    )


def remember_program(session: WriteSession, changed: Program, at: datetime) -> None:
    """Add the program's time zone and point value to their history, in force from `at`.

    If the newest entry is in force from a later time, overwrite it.
    """
    session.run(
        """INSERT INTO program_history (since, time_zone, minor_per_100_points)
           SELECT greatest(%(at)s, max(since)), %(zone)s, %(worth)s FROM program_history
           ON CONFLICT (since) DO UPDATE SET time_zone = excluded.time_zone,
               minor_per_100_points = excluded.minor_per_100_points""",
        {"at": at, "zone": changed.time_zone, "worth": changed.minor_per_100_points},
    )


def program_history(session: Session) -> list[InForce]:
    """Return the history of time zones and point values, oldest first."""
    return session.all(InForce, "SELECT since, time_zone, minor_per_100_points FROM program_history ORDER BY since")
