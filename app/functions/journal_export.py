"""EventBridge Scheduler calls this each hour: export blocks sealed since the last call to the archive bucket."""

from typing import Any

from app import aws
from app.clock import clock_for
from app.functions import database
from app.ledger import exports, keys
from app.ledger.archive import Archive
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Return the ids of exports completed, interrupted ones first; a repeated call exports nothing twice."""
    chosen = settings()
    archive = Archive(aws.client("s3"), chosen.archive_bucket)
    done = exports.catch_up(database(), archive, keys.signer(chosen), clock_for(chosen.clock_file))
    return {"exports": done}
