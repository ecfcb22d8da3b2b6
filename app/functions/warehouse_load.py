"""EventBridge Scheduler calls this each night after the day's export: load the warehouse."""

from typing import Any

from app import aws
from app.clock import clock_for
from app.functions import database
from app.insights.warehouse import service
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Return what was loaded, and the block that published answers are of; a repeated call loads nothing twice."""
    chosen = settings()
    loaded, published = service.bring_up(database(), chosen, aws.client("s3"), clock_for(chosen.clock_file))
    return {**vars(loaded), "as_of_block": published.as_of_block if published else None}
