"""Tests of erasing a member: no personal data remains, and accounts, ledger and proofs still verify."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from botocore.exceptions import ClientError

from app.clock import SystemClock
from app.db import Database
from app.erasure import service as erasure
from app.errors import BadInput, Conflict, NotFound
from app.insights.stream.models import Record
from app.ledger import archive as archives
from app.ledger import digests, exports, proofs, verification
from app.ledger import service as journal
from app.ledger.archive import Archive
from app.members import service as members
from app.members.models import ERASED, Member
from app.offers.models import Item, Subscription
from app.orders import placing
from app.orders.models import LineDraft, OrderDraft
from app.settings import Settings
from app.signing import Role
from app.wallet.payments_models import PaymentState
from tests.conftest import Seal, Superuser
from tests.erasure.conftest import EVIDENCE, NAME, REASON, WORDS, everything, made_as_in_prod, objects
from tests.insights.conftest import apply, order_record
from tests.shop import Shop
from tests.stacks.graphs import graph_of


@pytest.fixture
def archive(cloud: Callable[[str], Any]) -> Archive:
    new_archive = Archive(cloud("s3"), f"bucket-{uuid4()}")
    new_archive.s3.create_bucket(Bucket=new_archive.bucket, ObjectLockEnabledForBucket=True)
    return new_archive


def test_no_word_is_left_and_everything_else_still_holds(
    zinaida: UUID, shop: Shop, db: Database, redacting: Database, archive: Archive, superuser: Superuser, seal: Seal
) -> None:
    seal()
    with db.snapshot() as session:
        before = digests.take(session, SystemClock())
        since, until = before.taken_at.replace(year=2000), before.taken_at.replace(year=2999)
        export_id = str(archives.start(session, archive, archives.sealed_between(session, since, until)))
    archives.run(db, archive, export_id, None, SystemClock())
    assert not [word for word in WORDS if word not in everything(superuser) or word not in objects(archive)]

    gone = erasure.erase(db, redacting, archive, zinaida, "the member", "art. 17")

    assert (gone.documents, len(gone.exports)) == (4, 1)
    assert not [word for word in WORDS if word in everything(superuser) or word in objects(archive)]
    seal()
    with db.snapshot() as session:
        assert verification.verify(session, before).fault is None
        erased = proofs.sealed_revision(session, "members", str(zinaida), 0)
        assert proofs.inclusion(session, erased, before)["revision"]["dataHash"]
        newest, version = journal.revision(session, "members", zinaida)
        assert version == 1
        assert newest.data
        assert ERASED.encode() in newest.data
    assert not shop.disagreements()


def test_with_prods_locks_exports_are_erased_and_digests_stay(
    zinaida: UUID,
    db: Database,
    redacting: Database,
    cloud: Callable[[str], Any],
    seal: Seal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = graph_of("prod").named("aws:lambda/function:Function", "journal-export")
    data, variables = graph_of("prod").exports["data.prod"], function.inputs["environment"]["variables"]
    assert variables["REWARDS_EXPORT_BUCKET"] == data["exportsBucket"] != variables["REWARDS_ARCHIVE_BUCKET"]
    monkeypatch.setenv("REWARDS_ARCHIVE_BUCKET", made_as_in_prod(cloud, "archive"))
    monkeypatch.setenv("REWARDS_EXPORT_BUCKET", made_as_in_prod(cloud, "exports"))
    chosen, s3 = Settings(database_url="postgresql://nobody@nowhere"), cloud("s3")
    seal()
    with db.snapshot() as session:
        record = digests.signed(digests.take(session, SystemClock()), None)
    digests.anchor(s3, chosen.archive_bucket, record, timedelta(days=chosen.digest_kept_days))
    exports.catch_up(db, archive := Archive(s3, chosen.exports_in), None, SystemClock())
    assert NAME in objects(archive)

    assert len(erasure.erase(db, redacting, archive, zinaida, "the member", "art. 17").exports) == 1

    assert not [word for word in WORDS if word in objects(archive)]
    (digest,) = s3.list_object_versions(Bucket=chosen.archive_bucket)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=chosen.archive_bucket, Key=digest["Key"], VersionId=digest["VersionId"])


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
        broken.setattr(archives, "erase", lost)
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


@pytest.fixture
def forget(db: Database, redacting: Database, archive: Archive, shop: Shop) -> Callable[..., erasure.Erased]:
    def erased(member_id: UUID, by: str = "the officer", reason: str = "asked") -> erasure.Erased:
        return erasure.erase(db, redacting, archive, member_id, by, reason, shop.clock)

    return erased


def test_an_order_in_flight_is_waited_for_and_leaves_no_word(
    shop: Shop, db: Database, forget: Callable[..., erasure.Erased], superuser: Superuser
) -> None:
    member_id, product_id = shop.member(), shop.product()
    draft = OrderDraft((LineDraft(product_id, 1),), 0, "Petronella, flat 7")
    with ThreadPoolExecutor(1) as pool:
        with db.write() as session:
            placing.place(session, member_id, draft, shop.clock)
            session.value("SELECT 1")  # all of it was written
            erasing = pool.submit(forget, member_id)
            assert not wait([erasing], timeout=0.5).done
        erasing.result(10)
    assert "Petronella" not in everything(superuser)
    assert not shop.disagreements()


def test_who_is_erased_orders_claims_redeems_and_changes_nothing_more(
    shop: Shop, caller: Callable[[Role, UUID], Any], forget: Callable[..., erasure.Erased], superuser: Superuser
) -> None:
    member_id, club = shop.with_points(1_000), shop.offer(Subscription(points=40))
    mug, product_id = shop.offer(Item(points=40), on_hand=5), shop.product()
    order = shop.order(member_id, (product_id, 2)).order.order_id
    forget(member_id)
    itself, line = caller(Role.MEMBER, member_id), {"product_id": str(product_id), "units": 1}
    refused = [
        itself.post("/orders", {"lines": [line], "area": "Petronella"}),
        itself.post("/claims", {"order_id": str(order), "line": 1, "evidence": "Petronella"}),
        itself.post("/redemptions", {"kind": "item", "offer_id": str(mug)}),
        itself.post(f"/offers/{club}/subscriptions", {}),
        itself.post("/members", {"name": "Petronella"}),
        itself.patch("/members/me", {"name": "Petronella"}),
        itself.put("/members/me/consent", {"recommendations": True}),
    ]
    assert [answer.status_code for answer in refused] == [409] * len(refused), [answer.text for answer in refused]
    assert "Petronella" not in everything(superuser)
    assert shop.wallet(member_id) == (10, 1_000)


def test_goods_of_who_was_erased_come_back_without_a_word(
    shop: Shop, caller: Callable[[Role, UUID], Any], forget: Callable[..., erasure.Erased], superuser: Superuser
) -> None:
    seller, member_id = shop.vendor(), shop.member()
    order = shop.order(member_id, (shop.product(seller), 2)).order.order_id
    forget(member_id)
    for role, subject in ((Role.VENDOR, seller), (Role.MEMBER, member_id)):
        answer = caller(role, subject).post(f"/orders/{order}/returns", {"line": 1, "units": 1, "reason": REASON})
        assert (answer.status_code, answer.json()["reason"]) == (201, ERASED)
    assert REASON not in everything(superuser)
    assert not shop.disagreements()


def test_what_is_open_ends_subscriptions_payouts_and_claims(
    shop: Shop, caller: Callable[[Role, UUID], Any], forget: Callable[..., erasure.Erased]
) -> None:
    member_id, club = shop.with_points(1_000), shop.offer(Subscription(price_minor=500, grace_days=3))
    order = shop.order(member_id, (shop.product(), 1)).order.order_id
    subscribed, paid_out = shop.subscribe(member_id, club), shop.cash_back(member_id, 100)
    itself, admin = caller(Role.MEMBER, member_id), caller(Role.ADMIN, uuid4())
    claim = itself.post("/claims", {"order_id": str(order), "line": 1, "evidence": EVIDENCE}).json()
    forget(member_id)
    assert {payment.state for payment in shop.payments(member_id)} == {PaymentState.CANCELLED}
    assert itself.get(f"/redemptions/{paid_out.redemption_id}").json()["state"] == "cancelled"
    [ended] = shop.subscriptions(member_id)
    assert (ended.subscription_id, ended.state in ("lapsed", "ended")) == (subscribed.subscription_id, True)
    [refused] = itself.get("/wallet/claims").json()["claims"]
    assert (refused["state"], refused["reason"], refused["evidence"]) == ("refused", ERASED, ERASED)
    late = admin.post(f"/claims/{claim['claim_id']}/decision", {"points": 7, "reason": REASON})
    assert late.status_code == 409
    for _ in range(40):
        shop.tomorrow()
        shop.night()
    assert {payment.state for payment in shop.payments(member_id)} == {PaymentState.CANCELLED}
    assert not shop.disagreements()


@pytest.mark.parametrize(
    ("reason", "kept"), [("Asked ", "asked"), ("no longer  needed", "no longer needed"), ("art. 17, Zinaida", "other")]
)
def test_of_the_reason_only_its_ground_is_kept(
    zinaida: UUID, db: Database, forget: Callable[..., erasure.Erased], reason: str, kept: str
) -> None:
    forget(zinaida, reason=reason)
    with db.read() as session:
        [record] = journal.history(session, journal.REDACTIONS, f"members/{zinaida}")
    assert (record.data["by"], record.data["reason"]) == ("the officer", kept)


def test_by_whom_is_said_without_the_members_name(zinaida: UUID, forget: Callable[..., erasure.Erased]) -> None:
    with pytest.raises(BadInput, match="without the member's name"):
        forget(zinaida, by=f"for {NAME.upper()}")


def test_who_is_called_erased_is_erased_as_anybody(
    shop: Shop, caller: Callable[[Role, UUID], Any], forget: Callable[..., erasure.Erased], superuser: Superuser
) -> None:
    member_id = uuid4()
    itself = caller(Role.MEMBER, member_id)
    itself.post("/members", {"name": NAME})
    assert itself.patch("/members/me", {"name": ERASED}).status_code == 200
    forget(member_id)
    assert NAME not in everything(superuser)
    with pytest.raises(Conflict, match="erased before"):
        forget(member_id)


def test_a_vendor_is_told_from_a_member(shop: Shop, forget: Callable[..., erasure.Erased]) -> None:
    with pytest.raises(Conflict, match="is a vendor, not a member"):
        forget(shop.vendor())
