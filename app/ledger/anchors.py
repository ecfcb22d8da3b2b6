"""The digests anchored in S3, compared with the ledger: after a restore of the database some are ahead of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from botocore.exceptions import ClientError

from app.db import Session
from app.ledger import digests, strands
from app.ledger.digests import Digest
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_AFTER_ALL_SIZES = ":"  # sorts after digits, with which the keys of the first strand's digests go on


class Restored(Exception):
    """Raised if an anchored digest is ahead of the ledger: no block may be added before `rewards ledger recover`."""


@dataclass(frozen=True)
class Anchors:
    """A ledger's digests in the archive bucket, whose keys begin with `prefix`."""

    s3: "S3Client"
    bucket: str
    prefix: str
    ledger_id: UUID

    @classmethod
    def of(cls, settings: Settings, s3: "S3Client", ledger_id: UUID) -> Self:
        return cls(s3, settings.archive_bucket, settings.archive_prefix, ledger_id)

    def keys(self, strand: str, after: int) -> Iterator[str]:
        """Yield the keys of a strand's digests of more than `after` revisions, smallest tree first."""
        folder = digests.folder(self.prefix, str(self.ledger_id), strand)
        start = f"{folder}{after:020}.json" if after >= 0 else folder
        for page in self._pages(Prefix=folder, Delimiter="/", StartAfter=start):
            yield from (entry["Key"] for entry in page.get("Contents", []))

    def later_strands(self) -> list[str]:
        """Return the names of the strands that have anchored digests, except the first strand."""
        root = digests.folder(self.prefix, str(self.ledger_id))
        pages = self._pages(Prefix=root, Delimiter="/", StartAfter=root + _AFTER_ALL_SIZES)
        folders = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        return [folder.removeprefix(root).rstrip("/") for folder in folders]

    def read(self, key: str) -> Digest:
        """Read an anchored digest. Raises BadInput if it is none of this ledger."""
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return digests.read(body.decode(errors="replace"), str(self.ledger_id))

    def _pages(self, **of: Any) -> Iterator[Any]:
        """Yield pages of keys; none if there is no bucket, because then nothing was ever anchored."""
        try:
            yield from self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, **of)
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "NoSuchBucket":
                raise


def size_of(key: str) -> int:
    """Return the number of revisions of an anchored digest's tree, which is part of its key."""
    return int(key.rpartition("/")[2].removesuffix(".json"))


def unknown_strands(session: Session, anchors: Anchors) -> list[str]:
    """Return the strands with anchored digests that the ledger lacks: they were opened after the restored moment."""
    known = {strand.strand for strand in strands.strands(session)}
    return [strand for strand in anchors.later_strands() if strand not in known]


def refuse_ahead(session: Session, anchors: Anchors, tree_size: int) -> None:
    """Raise Restored if a digest of a larger tree than the ledger's, or of a strand that it lacks, is anchored.

    Nothing is sealed before the digest that would be ahead, so only a restore of the database explains such a digest.
    """
    ahead = next(anchors.keys(strands.current(session).strand, tree_size), None)
    if ahead := ahead or next(iter(unknown_strands(session, anchors)), None):
        raise Restored(
            f"the ledger has {tree_size} revisions, and {ahead} is anchored: the database was restored to an earlier "
            "moment; run `rewards ledger recover` before anything is sealed"
        )
