"""Apply vendors' product feeds; S3 calls the handler for each file `<vendor id>/<mode>/<name>.csv` in the feeds bucket.

A vendor may write only below its own id. `mode` (`all_or_nothing` or `good_rows`) and the object's metadata `stock` and
`counted-at` are the parameters of POST /vendors/{id}/feeds. Unless a file is UTF-8, or UTF-16 with a byte-order mark,
the object's Content-Type names the file's encoding.
"""

from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import orjson
import structlog
from pydantic import TypeAdapter

from app import aws
from app.catalog.models import StockMeans
from app.errors import BadFeed, BadInput, Conflict, NotFound
from app.functions import clock, database
from app.idempotency import Once
from app.times import Instant
from app.vendors import intake
from app.vendors.encodings import charset_of
from app.vendors.feed import MOST_BYTES
from app.vendors.models import Counting, FeedMode
from app.vendors.uploads import Upload

log = structlog.get_logger()

_CHUNK_BYTES = 64 * 1024


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, Any]]]:  # noqa: ARG001
    """Return each file's report or error; if the database is down, raise, so that Lambda retries the event."""
    return {"feeds": [_applied(record["s3"]) for record in event["Records"]]}


def _applied(event: dict[str, Any]) -> dict[str, Any]:
    bucket, key = event["bucket"]["name"], unquote_plus(event["object"]["key"])
    version = event["object"].get("versionId")
    try:
        vendor_id, mode = _vendor_and_mode(key)
        if event["object"]["size"] > MOST_BYTES:
            raise BadFeed(f"send a feed of at most {MOST_BYTES // 1024**2} MB")
        # S3 may report a file more than once; a repeated event returns the first answer.
        once = Once(database(), clock(), f"s3://{bucket}/{key}?{version}", b"", 201)
        feed = _read(bucket, key, version)
        counting = _counting(feed["Metadata"])
        with Upload.of(feed["Body"].iter_chunks(_CHUNK_BYTES), charset_of(feed.get("ContentType"))) as upload:
            answer = intake.take_once(once, str(vendor_id), vendor_id, upload, mode, counting)
    except (BadFeed, BadInput, Conflict, NotFound) as refused:
        log.warning("a feed was refused", bucket=bucket, key=key, error=str(refused))
        return {"key": key, "code": refused.code, "detail": refused.detail}
    report = orjson.loads(answer.body)
    return {"key": key, **{name: report[name] for name in ("feed_id", "applied", "created", "updated", "refused")}}


def _vendor_and_mode(key: str) -> tuple[UUID, FeedMode]:
    try:
        vendor, mode, _ = key.split("/", 2)
        return UUID(vendor), FeedMode(mode)
    except ValueError:
        raise BadFeed(f"{key} is not <vendor id>/{'|'.join(FeedMode)}/<name>") from None


def _read(bucket: str, key: str, version: str | None) -> dict[str, Any]:
    which: dict[str, Any] = {"VersionId": version} if version else {}
    feed: dict[str, Any] = aws.client("s3").get_object(Bucket=bucket, Key=key, **which)
    return feed


def _counting(metadata: dict[str, str]) -> Counting:
    at = metadata.get("counted-at")
    try:
        means = StockMeans(metadata.get("stock", StockMeans.COUNTED))
        return Counting(means, TypeAdapter(Instant).validate_python(at) if at else None)
    except ValueError:
        raise BadFeed(f"stock is {' or '.join(StockMeans)}, counted-at an instant as 2026-11-22T18:00:00Z") from None
