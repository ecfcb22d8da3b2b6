"""Tests of the functions that sign digests and export the ledger: each block is exported once, and can be verified."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.db import Database
from app.ledger import archive as archives
from app.ledger import export_repository, offline
from tests.conftest import Handled, Seal
from tests.shop import Shop


@pytest.fixture
def sealed(shop: Shop, seal: Seal) -> Callable[[], None]:
    """Return a function that appends to the ledger and seals the new revisions into a block."""

    def happens() -> None:
        shop.product()
        assert seal()

    return happens


def objects(s3: Any, bucket: str, prefix: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]


def test_nothing_is_anchored_before_anything_is_sealed(bucket: str, handled: Handled) -> None:
    assert handled("digest-anchor") == {"anchored": None}


def test_a_digest_is_anchored_once_for_each_size_of_the_tree(
    bucket: str, handled: Handled, sealed: Callable[[], None], cloud: Callable[[str], Any]
) -> None:
    sealed()
    first, again = handled("digest-anchor"), handled("digest-anchor")
    assert first == again
    assert len(cloud("s3").list_object_versions(Bucket=bucket, Prefix="digests/")["Versions"]) == 1
    kept = cloud("s3").get_object(Bucket=bucket, Key=first["anchored"])
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    assert orjson.loads(kept["Body"].read())["signature"]
    sealed()
    assert handled("digest-anchor")["anchored"] > first["anchored"]


def test_exports_follow_each_other_and_export_nothing_twice(
    bucket: str, handled: Handled, sealed: Callable[[], None], db: Database, cloud: Callable[[str], Any], tmp_path: Path
) -> None:
    blocks = []
    for _ in range(2):
        sealed()
        [export_id] = handled("journal-export")["exports"]
        assert handled("journal-export") == {"exports": []}
        folder = tmp_path / str(export_id)
        folder.mkdir()
        for key in objects(cloud("s3"), bucket, f"exports/{export_id}/"):
            body = cloud("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            (folder / key.rpartition("/")[2]).write_bytes(body)
        assert "make one chain" in offline.check(folder)
        manifest = orjson.loads(next(folder.glob("*.completed.manifest")).read_bytes())
        blocks.append((manifest["firstLeaf"], manifest["treeSize"]))
    assert blocks[0][0] == 0
    assert blocks[1][0] == blocks[0][1]


def test_an_export_that_was_cut_short_is_completed_first(
    bucket: str, handled: Handled, sealed: Callable[[], None], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed()
    with monkeypatch.context() as broken, pytest.raises(OSError, match="gone"):
        broken.setattr(archives, "run", _lost)
        handled("journal-export")
    with db.read() as session:
        unfinished = export_repository.unfinished(session)
    assert unfinished
    assert handled("journal-export")["exports"] == [unfinished.export_id]


def _lost(*_: object) -> None:
    raise OSError("the machine is gone")
