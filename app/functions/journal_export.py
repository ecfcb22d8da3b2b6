"""Export new blocks of the ledger to the archive bucket; EventBridge Scheduler calls the handler each hour."""

from typing import Any

from app import aws
from app.functions import clock, database
from app.ledger import digests, exports
from app.ledger.archive import Archive
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Return the ids of the exports that this call completed, interrupted ones first; no block is exported twice."""
    chosen = settings()
    archive = Archive.of(chosen, aws.client("s3"))
    done = exports.catch_up(database(), archive, digests.signer(chosen), clock())
    return {"exports": done}
