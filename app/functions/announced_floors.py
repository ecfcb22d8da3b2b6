"""Announce floors of pods for promotions and busy hours; EventBridge Scheduler calls the handler each five minutes."""

from typing import Any

from app import aws
from app.floors import service
from app.functions import clock, database
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  Lambda passes them
    """Return the number of floors, whether the plan changed, and whether the limit of money made them lower."""
    announcement = service.announce(database(), settings(), clock(), aws.client("ssm"))
    planned = announcement.plan
    return {"floors": len(planned.floors), "changed": announcement.changed, "limited": planned.limited}
