"""Tests that no ledger block is lost between sealing and the warehouse, whatever the sealers' clocks show."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import orjson
import pytest

from app import locks, logins
from app.clock import FixedClock
from app.db import Database
from app.errors import BadInput, Conflict, Unavailable
from app.insights.warehouse import exported
from app.ledger import archive as archives
from app.ledger import exports, repository, sealer, verification
from tests.conftest import Superuser
from tests.insights.warehouse.conftest import House
from tests.shop import Shop

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SOLD = "SELECT count(*) FROM warehouse.fact_sales"

# Minutes after noon on the clock of the leader that seals each block; an export follows each True.
CLOCKS = {
    "steps back by minutes": ((0.0, False), (9.5, True), (6.0, False), (7.0, True), (14.0, True)),
    "always two minutes slow": ((-2.0, True), (-1.5, True), (-1.0, False), (3.0, True)),
    "leaders take turns": tuple((minute + (0, -3)[minute % 2], minute % 3 == 0) for minute in range(12)),
    "stands still": ((0.0, True), (0.0, False), (0.0, True), (0.0, True)),
    "far ahead, then right": ((0.0, True), (90.0, True), (1.0, True), (2.0, True), (91.0, True)),
}


class Till:
    """Sells a product and seals the order in a block, whose time is given in minutes after noon."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.member, self.product = shop, shop.member(), shop.product()
        self.sealing = shop.under(logins.SEALING)

    def sell(self, minutes: float) -> None:
        self.shop.order(self.member, (self.product, 1))
        with self.sealing.write() as session:
            assert sealer.seal(session, FixedClock(NOON + timedelta(minutes=minutes)))


@pytest.fixture
def till(shop: Shop) -> Till:
    return Till(shop)


def catch_up(house: House, minutes: float = 0) -> list[UUID]:
    clock = FixedClock(NOON + timedelta(minutes=minutes))
    return exports.catch_up(house.archiving, house.source.archive, None, clock)


def sealed_times(db: Database) -> list[datetime]:
    with db.read() as session:
        return [block.sealed_at for block in repository.blocks_from(session, 0, 1_000)]


def archived(house: House) -> list[int]:
    """Return the block numbers in all completed exports, in the order of the exports."""
    with house.source.db.read() as session:
        done = exports.completed(session, None)
    manifests = [exported.find(house.source.archive, str(export_id)) for export_id in done]
    return [block for manifest in manifests for block in range(manifest.first_block, manifest.end.block + 1)]


@pytest.mark.parametrize("clocks", CLOCKS.values(), ids=CLOCKS)
def test_every_block_is_exported_once_and_loaded_whatever_the_sealers_clocks_say(
    till: Till, house: House, clocks: Sequence[tuple[float, bool]]
) -> None:
    # Trial 33
    for minutes, exporting in clocks:
        till.sell(minutes)
        if exporting:
            assert catch_up(house, minutes)
            house.load()
    catch_up(house)
    times = sealed_times(till.shop.db)
    assert times == sorted(times)
    assert archived(house) == list(range(len(times)))
    assert house.load()[0].block == len(times) - 1
    assert house.ask(SOLD) == [(len(clocks),)]
    with till.shop.db.snapshot() as session:
        assert verification.verify(session).fault is None


def test_exports_by_time_that_follow_each_other_hold_each_block_once(till: Till, house: House) -> None:
    for minutes, _ in CLOCKS["steps back by minutes"]:
        till.sell(minutes)
    cuts = [NOON + timedelta(minutes=minutes) for minutes in (-1, 5, 9, 9.5, 10, 12, 60)]
    blocks: list[int] = []
    with till.shop.db.snapshot() as session:
        for since, until in pairwise(cuts):
            try:
                span = archives.sealed_between(session, since, until)
            except BadInput:
                continue
            blocks += range(span.first, span.last + 1)
    assert blocks == list(range(5))


def lost_rows(house: House, superuser: Superuser, done: Sequence[UUID]) -> None:
    superuser.execute("DELETE FROM journal_block_exports WHERE export_id = ANY(%s)", (list(done[1:3]),))


def lost_objects(house: House, superuser: Superuser, done: Sequence[UUID]) -> None:
    archive = house.source.archive
    for key in list(archive.keys(archive.key(str(done[1]), ""))):
        archive.s3.delete_object(Bucket=archive.bucket, Key=key)
    [last] = [key for key in archive.keys(archive.key(str(done[2]), "")) if key.endswith(".json")]
    archive.s3.delete_object(Bucket=archive.bucket, Key=last)


def cut_short(house: House, superuser: Superuser, done: Sequence[UUID]) -> None:
    archive = house.source.archive
    archive.s3.delete_object(Bucket=archive.bucket, Key=archive.key(str(done[2]), f"{done[2]}.completed.manifest"))
    superuser.execute("UPDATE journal_block_exports SET completed = false WHERE export_id = %s", (done[2],))


@pytest.mark.parametrize("lose", [lost_rows, lost_objects, cut_short])
def test_an_archive_with_a_gap_is_repaired_and_loads_go_on(
    till: Till, house: House, superuser: Superuser, lose: Callable[[House, Superuser, Sequence[UUID]], None]
) -> None:
    done: list[UUID] = []
    for minute in range(4):
        till.sell(minute)
        done += catch_up(house)
    lose(house, superuser, done)
    with pytest.raises(BadInput, match=r"missing|half-written"):
        house.load()
    till.sell(9)
    archive, db = house.source.archive, till.shop.db  # people repair, under the services' login
    mended = exports.repair(db, archive, None, FixedClock(NOON))
    assert mended
    assert archived(house) == list(range(5))
    house.load()
    assert house.ask(SOLD) == [(5,)]
    assert exports.repair(db, archive, None, FixedClock(NOON)) == []


def test_one_repairs_at_a_time(house: House) -> None:
    with house.archiving.write() as other:
        assert other.lock_if_free(locks.EXPORTING)
        with pytest.raises(Conflict, match="being exported"):
            exports.repair(house.archiving, house.source.archive, None, FixedClock(NOON))


def test_a_long_backlog_is_exported_in_parts(till: Till, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "BLOCKS_AN_EXPORT", 2)
    for minute in range(5):
        till.sell(minute)
    assert len(catch_up(house)) == 3
    assert archived(house) == list(range(5))


def test_an_object_is_not_written_by_a_reader_that_lags_behind(till: Till, house: House) -> None:
    till.sell(0)
    [done] = catch_up(house)
    archive, db = house.source.archive, house.archiving
    manifest = archive.key(str(done), f"{done}.started.manifest")
    content = orjson.loads(archive.read(manifest) or b"")
    archive.put(manifest, orjson.dumps({**content, "keys": [archive.key(str(done), "journal.0-1.json")]}))
    with pytest.raises(Unavailable, match="does not have all of blocks 0 to 1 yet"):
        archives.run(db, archive, str(done), None, FixedClock(NOON))
