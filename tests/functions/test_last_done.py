"""Tests that the time of each scheduled function's last run is stored, so that a restart doesn't delay the next."""

from datetime import UTC, datetime, timedelta

from app.db import Database
from app.local.last_done import last_done
from tests.conftest import Handled, Seal
from tests.shop import Shop


def test_the_database_remembers_when_each_was_done(
    db: Database, shop: Shop, handled: Handled, bucket: str, seal: Seal
) -> None:
    shop.order(shop.member(), (shop.product(), 1))
    seal()
    with db.read() as session:
        began = last_done(session)
    assert began.exported == began.learned == began.loaded
    handled("journal-export")
    handled("hourly-insights")
    with db.read() as session:
        done = last_done(session)
    assert done.loaded == began.loaded
    now = datetime.now(UTC)
    assert all(at and now - timedelta(minutes=5) < at <= now for at in (done.exported, done.learned))
