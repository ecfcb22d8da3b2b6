"""A member who asks to be forgotten (trial 18): no word about them is left, and everything else still holds."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.clock import SystemClock
from app.db import Database
from app.errors import BadInput, Conflict, NotFound
from app.insights.stream.models import Record
from app.ledger import digests, export, proofs
from app.ledger import service as journal
from app.ledger.export import Archive
from app.members import erasure
from app.members import service as members
from app.members.models import ERASED, Member
from app.signing import Role
from tests.conftest import Seal, Superuser
from tests.insights.conftest import apply, order_record
from tests.shop import Shop

NAME, EVIDENCE, REASON = "Zinaida Quellenreuther", "I have the slip that aunt Petronella kept", "did not fit Petronella"
WORDS = (NAME, EVIDENCE, REASON, "150-174K")


@pytest.fixture
def archive(cloud: Callable[[str], Any]) -> Archive:
    made = Archive(cloud("s3"), f"bucket-{uuid4()}")
    made.s3.create_bucket(Bucket=made.bucket, ObjectLockEnabledForBucket=True)
    return made


@pytest.fixture
def zinaida(shop: Shop, caller: Callable[[Role, UUID], Any]) -> UUID:
    """A member who bought, returned and claimed over the API, and left words everywhere."""
    member_id, product_id = uuid4(), shop.product()
    itself = caller(Role.MEMBER, member_id)
    profile = {"name": NAME, "income_band": "150-174K", "marital_status": "married"}
    assert itself.post("/members", profile).status_code == 201
    order = itself.post("/orders", {"lines": [{"product_id": str(product_id), "units": 2}]}).json()["order_id"]
    assert itself.post(f"/orders/{order}/returns", {"line": 1, "units": 1, "reason": REASON}).status_code == 201
    claimed = itself.post("/claims", {"order_id": order, "line": 1, "evidence": EVIDENCE})
    assert claimed.status_code == 201, claimed.text
    admin = caller(Role.ADMIN, uuid4())
    decided = admin.post(f"/claims/{claimed.json()['claim_id']}/decision", {"points": 7, "reason": "granted"})
    assert decided.status_code in {200, 201}, decided.text
    return member_id


def everything(reader: Superuser) -> str:
    """All rows of all tables, as text; bytes are hex in them."""
    tables = [row[0] for row in reader.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return "\n".join(
        str(row) for table in tables for row in reader.execute(f"SELECT t::text FROM {table} AS t").fetchall()
    )


def objects(archive: Archive) -> str:
    """Every version of every object."""
    found = archive.s3.list_object_versions(Bucket=archive.bucket).get("Versions", [])
    return "\n".join(
        archive.s3.get_object(Bucket=archive.bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read().decode()
        for one in found
    )


def test_no_word_is_left_and_everything_else_still_holds(
    zinaida: UUID, shop: Shop, db: Database, redacting: Database, archive: Archive, superuser: Superuser, seal: Seal
) -> None:
    seal()
    with db.snapshot() as session:
        before = digests.take(session, SystemClock())
        since, until = before.taken_at.replace(year=2000), before.taken_at.replace(year=2999)
        export_id = str(export.start(session, archive, export.sealed_between(session, since, until)))
    export.run(db, archive, export_id, None, SystemClock())
    assert not [word for word in WORDS if word not in everything(superuser) or word not in objects(archive)]

    gone = erasure.erase(db, redacting, archive, zinaida, "the member", "art. 17")

    assert (gone.documents, gone.objects) == (3, 1)
    assert not [word for word in WORDS if word in everything(superuser) or word in objects(archive)]
    seal()
    with db.snapshot() as session:
        assert journal.verify(session, before).fault is None
        erased = proofs.sealed_revision(session, "members", str(zinaida), 0)
        assert proofs.inclusion(session, erased, before)["revision"]["dataHash"]
        newest, version = journal.revision(session, "members", zinaida)
        assert version == 1
        assert newest.data
        assert ERASED.encode() in newest.data
    assert not shop.disagreements()


def test_it_is_done_once_and_says_by_whom_and_why(
    zinaida: UUID, db: Database, redacting: Database, archive: Archive
) -> None:
    with pytest.raises(BadInput, match="who asks for it"):
        erasure.erase(db, redacting, archive, zinaida, " ", "art. 17")
    erasure.erase(db, redacting, archive, zinaida, "the member", "art. 17")
    with pytest.raises(Conflict, match="erased before"):
        erasure.erase(db, redacting, archive, zinaida, "the member", "art. 17")


def test_one_that_was_cut_short_goes_on(
    zinaida: UUID,
    shop: Shop,
    db: Database,
    redacting: Database,
    archive: Archive,
    superuser: Superuser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(*_: object) -> None:
        raise OSError("the machine is gone")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="gone"):
        broken.setattr(export, "erase", lost)
        erasure.erase(db, redacting, archive, zinaida, "the member", "art. 17")
    erasure.erase(db, redacting, archive, zinaida, "the member", "art. 17")
    assert not [word for word in WORDS if word in everything(superuser)]
    assert not shop.disagreements()


def test_a_member_of_a_bulk_import_is_erased_from_the_tables(
    shop: Shop, db: Database, redacting: Database, archive: Archive
) -> None:
    member = Member(uuid4(), NAME, "150-174K", "married", None, shop.clock.now())
    with db.write() as session:
        members.join_all(session, [member])
    assert erasure.erase(db, redacting, archive, member.member_id, "the member", "art. 17").documents == 0
    with db.read() as session:
        assert members.member(session, member.member_id).name == ERASED


def test_the_streams_consumer_forgets_baskets_and_poison_of_the_member(
    zinaida: UUID, db: Database, redacting: Database, archive: Archive
) -> None:
    basket = order_record(1, SystemClock().now(), [uuid4()], zinaida)
    apply(db, [basket, Record("2", basket.data + b"}"), Record("3", b"{")])
    erasure.erase(db, redacting, archive, zinaida, "the member", "art. 17")
    with db.read() as session:
        assert session.value("SELECT count(*) FROM stream_baskets") == 0
        assert session.rows("SELECT position FROM stream_quarantine") == [("3",)]


def test_nobody_is_not_erased(db: Database, redacting: Database, archive: Archive) -> None:
    with pytest.raises(NotFound, match="there is no member"):
        erasure.erase(db, redacting, archive, uuid4(), "the member", "art. 17")
