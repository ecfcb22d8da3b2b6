"""Export ranges of blocks to S3 in QLDB's format: a started manifest, objects with blocks, a completed manifest.

An export of a time range has the blocks sealed at or after the range's start and before its end. Block times never
decrease, so exports of consecutive time ranges have consecutive blocks.

An object has whole blocks, one per line; its S3 key names the first and last block number. So an interrupted export can
resume where it stopped, and an erasure can find the objects with a document's revisions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import orjson
from botocore.exceptions import ClientError

from app import locks
from app.clock import Clock
from app.db import Database, Session
from app.errors import BadInput, NotFound, Unavailable, UnderWay
from app.ids import new_id
from app.ledger import cursors, digests, repository, service
from app.ledger.digests import DigestSigner
from app.ledger.merkle import cover
from app.ledger.models import STRAND, canonical, genesis
from app.ledger.records import b64, block_record
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEAVES_AN_OBJECT = 8_192
_SUFFIX = ".json"


@dataclass(frozen=True)
class Archive:
    """An S3 bucket and key prefix that exports are written to."""

    s3: "S3Client"
    bucket: str
    prefix: str = "exports"

    @classmethod
    def of(cls, settings: Settings, s3: "S3Client") -> Self:
        return cls(s3, settings.exports_in, f"{settings.archive_prefix}exports")

    def key(self, export_id: UUID | str, name: str) -> str:
        return f"{self.prefix}/{export_id}/{name}"

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256")

    def read(self, key: str) -> bytes | None:
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as refused:
            if refused.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise

    def keys(self, prefix: str) -> Iterator[str]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            yield from (entry["Key"] for entry in page.get("Contents", []))

    def forget_old_versions(self, key: str) -> None:
        """Delete an object's noncurrent versions, which a versioned bucket keeps after an overwrite."""
        versions = self.s3.list_object_versions(Bucket=self.bucket, Prefix=key)
        for version in versions.get("Versions", []):
            if version["Key"] == key and not version["IsLatest"]:
                self.s3.delete_object(Bucket=self.bucket, Key=key, VersionId=version["VersionId"])


@dataclass(frozen=True)
class Span:
    """Blocks `first` to `last`, both included; the export's manifest gives [since, until) as their time range."""

    first: int
    last: int
    since: datetime
    until: datetime


def sealed_between(session: Session, since: datetime, until: datetime) -> Span:
    """Return the blocks sealed in [since, until) so far. Raises BadInput if there are none or the range is reversed."""
    if since >= until:
        raise BadInput(f"the range ends before it starts: from {since.isoformat()} to {until.isoformat()}")
    first, before = (cursors.first_block_at(session, at) for at in (since, until))
    if first == before:
        raise BadInput(f"no block was sealed between {since.isoformat()} and {until.isoformat()}")
    return Span(first, before - 1, since, until)


def numbered(session: Session, first: int, last: int) -> Span:
    """Return the span of blocks `first` to `last`. Raises BadInput if they are reversed, NotFound if one is missing."""
    if first > last:
        raise BadInput(f"the range ends before it starts: from block {first} to block {last}")
    end = service.block(session, last).sealed_at + timedelta(microseconds=1)
    return Span(first, last, service.block(session, first).sealed_at, end)


def start(session: Session, archive: Archive, span: Span, export_id: UUID | None = None) -> UUID:
    """Start an export: write its started manifest, which lists the objects to write. Return the export's id."""
    export_id = export_id or new_id()
    runs = repository.object_spans(session, span.first, span.last, LEAVES_AN_OBJECT)
    manifest = {
        "exportId": export_id,
        "ledgerId": repository.ledger_id(session),
        "inclusiveStartTime": span.since,
        "exclusiveEndTime": span.until,
        "firstBlock": span.first,
        "lastBlock": span.last,
        "keys": [archive.key(export_id, f"{STRAND}.{first}-{last}{_SUFFIX}") for first, last in runs],
    }
    archive.put(_manifest(archive, export_id, "started"), canonical(manifest))
    return export_id


def is_started(archive: Archive, export_id: UUID) -> bool:
    return archive.read(_manifest(archive, export_id, "started")) is not None


def is_whole(archive: Archive, export_id: UUID) -> bool:
    """Return whether the export's manifests and every object that they list exist."""
    started = archive.read(_manifest(archive, export_id, "started"))
    needed = {_manifest(archive, export_id, "completed"), *(orjson.loads(started)["keys"] if started else ())}
    return started is not None and needed <= set(archive.keys(archive.key(export_id, "")))


def _manifest(archive: Archive, export_id: UUID | str, kind: str) -> str:
    return archive.key(export_id, f"{export_id}.{kind}.manifest")


def run(db: Database, archive: Archive, export_id: UUID | str, signer: DigestSigner | None, clock: Clock) -> int:
    """Write an export's missing objects, then its completed manifest; return the number of objects written.

    Raises NotFound if the export was not started.
    """
    started = archive.read(_manifest(archive, export_id, "started"))
    if started is None:
        raise NotFound(f"there is no export {export_id} in s3://{archive.bucket}/{archive.prefix}")
    manifest = orjson.loads(started)
    existing = set(archive.keys(archive.key(export_id, "")))
    missing = [key for key in manifest["keys"] if key not in existing]
    for key in missing:
        with db.snapshot() as session:
            archive.put(key, _render(session, *span(key)))
    completed = _manifest(archive, export_id, "completed")
    if completed not in existing:
        with db.snapshot() as session:
            archive.put(completed, canonical(manifest | _ends(session, manifest["keys"], signer, clock)))
    return len(missing)


def erase(db: Database, archive: Archive, documents: Sequence[tuple[str, str]]) -> list[str]:
    """After an erasure of documents (table, id), rewrite every object that contains them; return the objects' keys.

    Reads from the writer, because a read replica may not have the erasure yet. Raises UnderWay while another process
    exports the ledger: it may have read the data before the erasure and write it afterwards.
    """
    with db.write() as session:
        if not session.lock_if_free(locks.EXPORTING):
            raise UnderWay("the ledger is being exported; erase again when that is done")
        blocks = {entry.block for document in documents for entry in service.history(session, *document)}
        changed = []
        for key in archive.keys(f"{archive.prefix}/"):
            if key.endswith(_SUFFIX) and any(
                first <= block <= last for first, last in [span(key)] for block in blocks if block is not None
            ):
                archive.put(key, _render(session, *span(key)))
                archive.forget_old_versions(key)
                changed.append(key)
    return changed


def span(key: str) -> tuple[int, int]:
    """Return the numbers of an object's first and last block, which are part of its S3 key."""
    first, _, last = key.rpartition(".json")[0].rpartition(".")[2].partition("-")
    return int(first), int(last)


def _render(session: Session, first: int, last: int) -> bytes:
    blocks = repository.blocks_from(session, first, last - first + 1)
    if len(blocks) != last - first + 1:
        raise Unavailable(f"the database that is read does not have all of blocks {first} to {last} yet; try again")
    records = [block_record(block, repository.sealed_in(session, block)) for block in blocks]
    return b"".join(canonical(record) + b"\n" for record in records)


def _ends(session: Session, keys: list[str], signer: DigestSigner | None, clock: Clock) -> dict[str, Any]:
    """Return what verifies an export: tree and block hash before its first block and after its last, and a digest."""
    (first, _), (_, last) = span(keys[0]), span(keys[-1])
    begin, end = service.block(session, first), service.block(session, last)
    ledger_id = repository.ledger_id(session)
    return {
        "firstLeaf": begin.first_leaf,
        "subtrees": [b64(node) for node in repository.nodes(session, cover((0, begin.first_leaf)))],
        "previousBlockHash": b64(begin.previous_hash if first else genesis(ledger_id)),
        "treeSize": end.tree_size,
        "blockHash": b64(end.hash),
        "digest": digests.signed(digests.digest_of(ledger_id, end, clock), signer),
    }
