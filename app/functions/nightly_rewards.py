"""Run the nightly calculation; EventBridge Scheduler calls the handler at 00:00 in the program's time zone."""

from datetime import date
from typing import Any

import orjson

from app.functions import clock, database
from app.idempotency import forget_old_keys
from app.night import reconcile
from app.night import service as nightly


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Run the nightly calculation up to the event's `date` (or today), reconcile, and return both results."""
    day = date.fromisoformat(event["date"]) if event.get("date") else None
    report = nightly.run(database(), clock(), day)
    with database().write() as session:
        forget_old_keys(session, clock())
    answer: dict[str, Any] = orjson.loads(orjson.dumps(report))
    return {**answer, "difference": reconcile.run(database(), clock()).difference}
