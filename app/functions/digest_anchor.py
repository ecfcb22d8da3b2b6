"""EventBridge Scheduler calls this every minute: anchor the ledger's signed digest under Object Lock."""

from datetime import timedelta
from typing import Any

from app import aws
from app.clock import clock_for
from app.errors import NotFound
from app.functions import database
from app.ledger import cursors, digests, keys
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Return the anchored digest's key, new or not; None before anything is sealed."""
    chosen = settings()
    try:
        with database().snapshot() as session:
            digest = digests.take(session, clock_for(chosen.clock_file))
    except NotFound:
        return {"anchored": None}
    record = digests.signed(digest, keys.signer(chosen))
    retain = timedelta(days=chosen.digest_kept_days)
    key = digests.anchor(aws.client("s3"), chosen.archive_bucket, record, retain)
    with database().write() as session:
        cursors.anchored(session, digest.tree_size, key)
    return {"anchored": key}
