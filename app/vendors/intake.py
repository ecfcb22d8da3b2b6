"""Receive a feed from the API or the command line: parse it outside any transaction, then apply it in one."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from fastapi.responses import Response

from app.clock import Clock
from app.db import Database
from app.idempotency import Once
from app.vendors import service
from app.vendors.feed import Feed, reading
from app.vendors.models import Counting, FeedMode, FeedReport
from app.vendors.schemas import FeedOut
from app.vendors.service import COUNTED
from app.vendors.uploads import Upload


def take_once(
    once: Once, caller: str, vendor_id: UUID, upload: Upload, mode: FeedMode, counting: Counting = COUNTED
) -> Response:
    """Apply a feed and return its report, or the stored answer of an earlier request with the same idempotency key.

    Raises BadFeed if the file can't be parsed, NotFound for an unknown vendor, Conflict for an inactive one;
    nothing is stored then. Raises KeyReused and InFlight for the idempotency key.
    """
    if (answer := once.stored(caller)) is not None:
        return answer
    with _read(once.db, vendor_id, upload) as feed:
        return once(
            caller,
            lambda session: FeedOut.model_validate(
                service.apply_feed(session, vendor_id, feed, upload.sha256.hexdigest(), mode, once.clock, counting)
            ),
        )


def take(
    db: Database, vendor_id: UUID, upload: Upload, mode: FeedMode, clock: Clock, counting: Counting = COUNTED
) -> FeedReport:
    """Apply a feed and return its report, for callers without an idempotency key, such as the command line."""
    with _read(db, vendor_id, upload) as feed, db.write() as session:
        return service.apply_feed(session, vendor_id, feed, upload.sha256.hexdigest(), mode, clock, counting)


@contextmanager
def _read(db: Database, vendor_id: UUID, upload: Upload) -> Iterator[Feed]:
    with reading(upload.file, digits_of(db, vendor_id), upload.charset) as feed:
        yield feed


def digits_of(db: Database, vendor_id: UUID) -> int:
    """Return the number of decimals of a vendor's prices. Raises NotFound, or Conflict for an inactive vendor."""
    with db.write() as session:  # a read replica may not show yet that the vendor was activated
        return service.feed_digits(session, vendor_id)
