"""Tests of ledger exports: resumed after a kill, verified by `offline.py`, rewritten after an erasure."""

import json
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import locks
from app.clock import SystemClock
from app.db import JOBS, Database
from app.errors import BadInput, NotFound, UnderWay
from app.ids import new_id
from app.ledger import archive as archives
from app.ledger import digests, proofs, service, verification
from app.ledger.archive import Archive
from app.ledger.digests import LocalKey
from app.ledger.models import canonical
from app.settings import Settings
from tests.ledger.conftest import Append
from tests.ledger.test_proofs import stranger

Seal = Callable[[], int]
EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def archive(cloud: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setattr(archives, "LEAVES_AN_OBJECT", 2)
    s3, bucket = cloud("s3"), f"archive-{new_id()}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return Archive(s3, bucket)


@pytest.fixture
def key(tmp_path: Path) -> LocalKey:
    path = tmp_path / "digests.pem"
    path.write_bytes(digests.new_key())
    return LocalKey(path)


@pytest.fixture
def journal(append: Append, seal: Seal) -> None:
    for documents in ("abc", "defgh", "ai", "jk"):
        append(*documents)
        seal()


def exported(db: Database, archive: Archive, key: LocalKey, since: datetime, until: datetime) -> str:
    with db.snapshot() as session:
        export_id = str(archives.start(session, archive, archives.sealed_between(session, since, until)))
    archives.run(db, archive, export_id, key, SystemClock())
    return export_id


def downloaded(archive: Archive, export_id: str, folder: Path) -> Path:
    folder.mkdir()
    for name in archive.keys(f"{archive.prefix}/{export_id}/"):
        (folder / name.rpartition("/")[2]).write_bytes(archive.read(name) or b"")
    return folder


@pytest.mark.usefixtures("journal")
def test_an_export_convinces_a_stranger(db: Database, archive: Archive, key: LocalKey, tmp_path: Path) -> None:
    folder = downloaded(archive, exported(db, archive, key, *EVER), tmp_path / "export")
    assert stranger(folder) == (0, "holds: 12 revisions, up to number 12, make one chain that the digest is of\n")
    assert len(list(folder.glob("journal.*.json"))) == 4


@pytest.mark.usefixtures("journal")
def test_an_export_of_a_part_starts_from_the_tree_before_it(
    db: Database, archive: Archive, key: LocalKey, tmp_path: Path
) -> None:
    with db.read() as session:
        second = service.block(session, 1).sealed_at
    folder = downloaded(archive, exported(db, archive, key, second, EVER[1]), tmp_path / "export")
    assert stranger(folder)[1] == "holds: 9 revisions, up to number 12, make one chain that the digest is of\n"
    other = tmp_path / "digest.json"
    manifest = json.loads(next(folder.glob("*.completed.manifest")).read_text())
    other.write_text(json.dumps({**manifest["digest"], "treeSize": 3}))
    assert "not one of this chain's" in stranger(folder, "--digest", other)[1]
    other.write_text(json.dumps({**manifest["digest"], "ledgerId": str(new_id())}))
    assert "the digest is of ledger" in stranger(folder, "--digest", other)[1]


@pytest.mark.usefixtures("journal")
def test_every_way_to_truncate_or_change_an_export_is_found(
    db: Database, archive: Archive, key: LocalKey, tmp_path: Path
) -> None:
    # Trial 16
    folder = downloaded(archive, exported(db, archive, key, *EVER), tmp_path / "export")
    files = sorted(folder.glob("*.json"))
    lines = files[0].read_bytes().splitlines(keepends=True)
    whole = {file: file.read_bytes() for file in folder.iterdir()}

    def broken(file: Path, content: bytes | None) -> str:
        file.write_bytes(content) if content is not None else file.unlink()
        code, printed = stranger(folder)
        assert (code, printed.startswith("refused: "), printed.count("\n")) == (1, True, 1), printed
        for path, before in whole.items():
            path.write_bytes(before)
        return printed

    assert "missing: the export was truncated" in broken(files[0], None)
    assert "truncated" in broken(files[-1], b"") or "follow" in broken(files[-1], b"")
    broken(files[0], b"".join(lines)[:-20])
    assert "0 completed manifests" in broken(next(folder.glob("*.completed.manifest")), None)
    first = json.loads(lines[0])
    swapped = {**first, "revisions": first["revisions"][::-1]}
    assert "block 0" in broken(files[0], json.dumps(swapped).encode() + b"\n" + b"".join(lines[1:]))
    shorter = {**first, "revisions": first["revisions"][:-1]}
    assert "block 0" in broken(files[0], json.dumps(shorter).encode() + b"\n" + b"".join(lines[1:]))
    assert stranger(folder)[0] == 0


@pytest.mark.usefixtures("journal")
def test_an_export_that_was_killed_goes_on_where_it_stopped(
    db: Database, archive: Archive, key: LocalKey, tmp_path: Path, append: Append, seal: Seal
) -> None:
    with db.snapshot() as session:
        export_id = str(archives.start(session, archive, archives.sealed_between(session, *EVER)))
    calls = iter(range(10))

    class Killed(Archive):
        def put(self, key: str, body: bytes) -> None:
            if next(calls) == 1:
                raise KeyboardInterrupt
            super().put(key, body)

    with pytest.raises(KeyboardInterrupt):
        archives.run(db, Killed(archive.s3, archive.bucket), export_id, key, SystemClock())
    append("later")
    seal()
    assert archives.run(db, archive, export_id, key, SystemClock()) == 3
    assert archives.run(db, archive, export_id, key, SystemClock()) == 0
    assert stranger(downloaded(archive, export_id, tmp_path / "export"))[1].startswith("holds: 12 revisions")


@pytest.mark.usefixtures("journal")
def test_a_wrong_range_or_an_unknown_export_writes_nothing(db: Database, archive: Archive, key: LocalKey) -> None:
    for since, until, says in (
        (*EVER[::-1], "ends before it starts"),
        (EVER[0], EVER[0] + timedelta(days=1), "no block was sealed"),
    ):
        with db.snapshot() as session, pytest.raises(BadInput, match=says):
            archives.sealed_between(session, since, until)
    with db.snapshot() as session:
        with pytest.raises(BadInput, match="ends before it starts"):
            archives.numbered(session, 2, 1)
        with pytest.raises(NotFound, match="no block 4"):
            archives.numbered(session, 2, 4)
    with pytest.raises(NotFound, match="no export"):
        archives.run(db, archive, "nothing", key, SystemClock())
    assert not list(archive.keys(""))


@pytest.mark.usefixtures("journal")
def test_what_is_erased_is_gone_everywhere_and_every_proof_still_holds(
    db: Database, redacting: Database, archive: Archive, key: LocalKey, tmp_path: Path, seal: Seal
) -> None:
    # Trial 18
    with db.snapshot() as session:
        before = digests.take(session, SystemClock())
    export_id = exported(db, archive, key, *EVER)
    with redacting.write() as session:
        assert service.redact(session, "orders", "a", "the member", "art. 17") == 2
    objects = archives.erase(db, archive, [("orders", "a")])
    assert len(objects) == 2
    versions = archive.s3.list_object_versions(Bucket=archive.bucket)["Versions"]
    assert sum(stored["Key"] in objects for stored in versions) == 2  # and no older ones behind them
    folder = downloaded(archive, export_id, tmp_path / "export")
    assert not any(b'\\"of\\":\\"a\\"' in path.read_bytes() for path in folder.iterdir())
    assert stranger(folder)[0] == 0
    seal()
    with db.snapshot() as session:
        assert session.value("SELECT count(*) FROM journal_revisions WHERE document_id = 'a' AND data IS NOT NULL") == 0
        assert [entry.data for entry in service.history(session, "orders", "a")] == [None, None]
        for version in (0, 1):
            leaf = proofs.sealed_revision(session, "orders", "a", version)
            proof = proofs.inclusion(session, leaf, before)
            file = tmp_path / "proof.json"
            file.write_bytes(canonical({**proof, "digest": digests.signed(before, None)}))
            assert "dataHash" in proof["revision"]
            assert stranger(file)[0] == 0
        verdict = verification.verify(session, before)
    assert (verdict.fault, verdict.revisions) == (None, 13)


@pytest.mark.usefixtures("journal")
def test_what_a_read_replica_does_not_know_yet_is_erased_from_exports_too(
    db: Database, redacting: Database, archive: Archive, key: LocalKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = exported(db, archive, key, *EVER)
    with db.snapshot() as replica:
        replica.value("SELECT 1")  # from now on it sees what was committed before
        with redacting.write() as session:
            service.redact(session, "orders", "a", "the member", "art. 17")
        monkeypatch.setattr(Database, "snapshot", lambda _: nullcontext(replica))
        monkeypatch.setattr(Database, "read", lambda _: nullcontext(replica))
        assert len(archives.erase(db, archive, [("orders", "a")])) == 2
        monkeypatch.undo()
    folder = downloaded(archive, export_id, tmp_path / "export")
    assert list(folder.iterdir())
    assert not any(b'\\"of\\":\\"a\\"' in path.read_bytes() for path in folder.iterdir())


def test_a_lock_is_kept_while_its_process_works_elsewhere(settings: Settings, db: Database) -> None:
    """An export writes to S3, and a load waits for the warehouse, for longer than other transactions may be idle."""
    hasty = Database.open(settings, replace(JOBS, idle_s=1))
    with closing(hasty), hasty.write() as exporting:
        assert exporting.lock_if_free(locks.EXPORTING)
        time.sleep(2)
        with db.write() as other:
            assert not other.lock_if_free(locks.EXPORTING)
        assert exporting.value("SELECT 1") == 1


@pytest.mark.usefixtures("journal")
def test_no_export_that_began_before_an_erasure_writes_what_it_erased(
    db: Database, archive: Archive, key: LocalKey
) -> None:
    """An exporting process may have read a block, and not have written it yet."""
    exported(db, archive, key, *EVER)
    with db.write() as exporting:
        assert exporting.lock_if_free(locks.EXPORTING)
        with pytest.raises(UnderWay, match="erase again"):
            archives.erase(db, archive, [("orders", "a")])
    assert len(archives.erase(db, archive, [("orders", "a")])) == 2
