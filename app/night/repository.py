"""All SQL of the nightly reports."""

from dataclasses import asdict
from datetime import date

from app.db import Session, WriteSession
from app.night.models import NightlyReport, NightlyRun


def insert_report(session: WriteSession, report: NightlyReport) -> None:
    session.run(
        """INSERT INTO nightly_runs (business_date, started_at, seconds, confirmed_lots, confirmed_points,
               expired_lots, expired_points, renewed, lapsed, oldest_due)
           VALUES (%(business_date)s, %(started_at)s, %(seconds)s, %(confirmed_lots)s, %(confirmed_points)s,
               %(expired_lots)s, %(expired_points)s, %(renewed)s, %(lapsed)s, %(oldest_due)s)""",
        asdict(report),
    )


def last_day(session: Session) -> date | None:
    """Return the latest date up to which the nightly calculation has completed; None if it never has."""
    day: date | None = session.value("SELECT max(business_date) FROM nightly_runs")
    return day


def runs(session: Session, after: int | None, limit: int) -> list[NightlyRun]:
    """Return nightly runs, newest first; with `after`, only those whose run number is lower."""
    return session.all(
        NightlyRun,
        f"""SELECT business_date, started_at, seconds, confirmed_lots, confirmed_points, expired_lots, expired_points,
                   renewed, lapsed, oldest_due, run_id
            FROM nightly_runs {"WHERE run_id < %(after)s" if after is not None else ""}
            ORDER BY run_id DESC LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )
