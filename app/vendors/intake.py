"""Take in a feed from the API or the command line: read it outside any transaction, then apply it in one."""

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
    """Return the feed's report, or the stored answer of an earlier request with the same idempotency key.

    Raises BadFeed if the file is unreadable, NotFound, and Conflict if the vendor is not active; nothing is stored
    then. Raises KeyReused, InFlight.
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
    """Apply a feed like `take_once`, but without an idempotency key."""
    with _read(db, vendor_id, upload) as feed, db.write() as session:
        return service.apply_feed(session, vendor_id, feed, upload.sha256.hexdigest(), mode, clock, counting)


@contextmanager
def _read(db: Database, vendor_id: UUID, upload: Upload) -> Iterator[Feed]:
    with reading(upload.file, digits_of(db, vendor_id), upload.charset) as feed:
        yield feed


def digits_of(db: Database, vendor_id: UUID) -> int:
    """Return the number of decimals of prices in the vendor's feeds.

    Raises NotFound, and Conflict if it may send none.
    """
    with db.write() as session:  # the replica may lag behind the vendor's activation
        return service.feed_digits(session, vendor_id)
