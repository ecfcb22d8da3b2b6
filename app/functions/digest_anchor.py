"""Sign the ledger's digest and lock it in S3 (Object Lock); EventBridge Scheduler calls the handler each minute."""

from datetime import timedelta
from typing import Any

from app import aws
from app.errors import NotFound
from app.functions import clock, database
from app.ledger import cursors, digests
from app.settings import settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Return the S3 key of the latest digest, from this or an earlier call; None if the ledger has no block yet."""
    chosen = settings()
    try:
        with database().snapshot() as session:
            digest = digests.take(session, clock())
    except NotFound:
        return {"anchored": None}
    record = digests.signed(digest, digests.signer(chosen))
    retain = timedelta(days=chosen.digest_kept_days)
    key = digests.anchor(aws.client("s3"), chosen.archive_bucket, record, retain, chosen.archive_prefix)
    with database().write() as session:
        cursors.anchored(session, digest.tree_size, key)
    return {"anchored": key}
