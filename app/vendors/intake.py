"""Taking a feed in, whoever brings it: read outside any transaction, then applied in one."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from fastapi.responses import Response

from app.clock import Clock
from app.db import Database
from app.idempotency import Once
from app.vendors import feed, service
from app.vendors.feed import Feed
from app.vendors.models import Counting, FeedMode, FeedReport
from app.vendors.schemas import FeedOut
from app.vendors.service import COUNTED
from app.vendors.uploads import Upload


def take_once(
    once: Once, caller: str, vendor_id: UUID, upload: Upload, mode: FeedMode, counting: Counting = COUNTED
) -> Response:
    """The report of the feed, or what was answered before: then it is not read again.

    Raises BadFeed where the file can't be read, NotFound, and Conflict where the vendor is not active; nothing is kept
    then. Raises KeyReused, InFlight.
    """
    if (answer := once.stored(caller)) is not None:
        return answer
    with _read(once.db, vendor_id, upload) as read:
        return once(
            caller,
            lambda session: FeedOut.model_validate(
                service.apply_feed(session, vendor_id, read, upload.sha256.hexdigest(), mode, once.clock, counting)
            ),
        )


def take(
    db: Database, vendor_id: UUID, upload: Upload, mode: FeedMode, clock: Clock, counting: Counting = COUNTED
) -> FeedReport:
    """As `take_once`, each time it is called."""
    with _read(db, vendor_id, upload) as read, db.write() as session:
        return service.apply_feed(session, vendor_id, read, upload.sha256.hexdigest(), mode, clock, counting)


@contextmanager
def _read(db: Database, vendor_id: UUID, upload: Upload) -> Iterator[Feed]:
    with feed.reading(upload.file, digits_of(db, vendor_id), upload.charset) as read:
        yield read


def digits_of(db: Database, vendor_id: UUID) -> int:
    """Those of the prices of a vendor that may send a feed. Raises NotFound, Conflict."""
    with db.write() as session:  # a reader may not have heard yet that the vendor is active
        return service.feed_digits(session, vendor_id)
