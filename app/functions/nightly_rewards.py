"""EventBridge Scheduler calls this at 12 am in the program's zone: {"date": "2026-11-22"}, or {} for today."""

from datetime import date
from typing import Any

import orjson

from app.clock import clock_for
from app.functions import database
from app.idempotency import forget_old_keys
from app.night import reconcile
from app.night import service as nightly
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Return the night's report, and the first difference of reconciling; a repeated call finds nothing left to do."""
    clock = clock_for(settings().clock_file)
    day = date.fromisoformat(event["date"]) if event.get("date") else None
    report = nightly.run(database(), clock, day)
    with database().write() as session:
        forget_old_keys(session, clock)
    answer: dict[str, Any] = orjson.loads(orjson.dumps(report))
    return {**answer, "difference": reconcile.run(database(), clock).difference}
