"""S3 calls this for each file that lands in the feeds bucket as `<vendor id>/<mode>/<name>.csv`.

`mode` is `all_or_nothing` or `good_rows`, as in POST /vendors/{vendor_id}/feeds; a vendor may write below its own id.
The object's Content-Type names the encoding where it is neither UTF-8 nor UTF-16 with its mark.
"""

from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import orjson
import structlog

from app import aws
from app.clock import clock_for
from app.errors import BadFeed, Conflict, NotFound
from app.functions import database
from app.idempotency import Once
from app.settings import settings
from app.vendors import intake
from app.vendors.encodings import charset_of
from app.vendors.feed import MOST_BYTES
from app.vendors.models import FeedMode
from app.vendors.uploads import Upload

log = structlog.get_logger()

_CHUNK_BYTES = 64 * 1024


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, Any]]]:  # noqa: ARG001
    """What became of each file. One that can't be a feed is refused for good; a lost database raises, to be retried."""
    return {"feeds": [_one(record["s3"]) for record in event["Records"]]}


def _one(at: dict[str, Any]) -> dict[str, Any]:
    bucket, key = at["bucket"]["name"], unquote_plus(at["object"]["key"])
    version = at["object"].get("versionId")
    try:
        vendor_id, mode = _addressee(key)
        if at["object"]["size"] > MOST_BYTES:
            raise BadFeed(f"send a feed of at most {MOST_BYTES // 1024**2} MB")
        # S3 tells of a file at least once: the second time the first answer stands.
        once = Once(database(), clock_for(settings().clock_file), f"s3://{bucket}/{key}?{version}", b"", 201)
        with _read(bucket, key, version) as upload:
            answer = intake.take_once(once, str(vendor_id), vendor_id, upload, mode)
    except (BadFeed, Conflict, NotFound) as refused:
        log.warning("a feed was refused", bucket=bucket, key=key, error=str(refused))
        return {"key": key, "code": refused.code, "detail": refused.detail}
    report = orjson.loads(answer.body)
    return {"key": key, **{name: report[name] for name in ("feed_id", "applied", "created", "updated", "refused")}}


def _addressee(key: str) -> tuple[UUID, FeedMode]:
    try:
        vendor, mode, _ = key.split("/", 2)
        return UUID(vendor), FeedMode(mode)
    except ValueError:
        raise BadFeed(f"{key} is not <vendor id>/{'|'.join(FeedMode)}/<name>") from None


def _read(bucket: str, key: str, version: str | None) -> Upload:
    """The file, whose Content-Type may name its encoding."""
    which: dict[str, Any] = {"VersionId": version} if version else {}
    found = aws.client("s3").get_object(Bucket=bucket, Key=key, **which)
    return Upload.of(found["Body"].iter_chunks(_CHUNK_BYTES), charset_of(found.get("ContentType")))
