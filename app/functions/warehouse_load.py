"""Load new exports of the ledger into the warehouse; EventBridge Scheduler calls the handler each night."""

from typing import Any

from app import aws
from app.functions import clock, database
from app.insights.warehouse import service
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Return the numbers of rows loaded, and the last ledger block that the warehouse's published figures include."""
    chosen = settings()
    loaded, published = service.bring_up(database(), chosen, aws.client("s3"), clock())
    return {**vars(loaded), "as_of_block": published.as_of_block if published else None}
