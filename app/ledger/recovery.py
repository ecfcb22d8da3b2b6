"""After a restore of the database: find what the ledger lost, and let it go on in a new strand.

Anchored digests say how far the ledger had come. Exports and the stream have the lost revisions. The new strand begins
with a document in the table `recoveries`, so that the journal itself tells what was lost, when and why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from app import locks
from app.clock import Clock
from app.db import Database, Session, WriteSession
from app.errors import BadInput, Conflict, UnderWay
from app.ledger import anchors, cursors, repository, service, strands, tail, verification
from app.ledger.anchors import Anchors
from app.ledger.archive import Archive
from app.ledger.digests import Digest
from app.ledger.merkle import Tree, cover
from app.ledger.models import Block
from app.ledger.strands import Strand
from app.ledger.tail import LostRevision, Place

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

RECOVERIES = "recoveries"
_LOCKS = (
    (locks.SEALING, "a sealer is still running"),
    (locks.PUBLISHING, "blocks are still being published"),
    (locks.EXPORTING, "the ledger is being exported"),
)


@dataclass(frozen=True)
class Places:
    """Where lost blocks may be found: the anchored digests, the exports, and the usual Kinesis stream."""

    anchors: Anchors
    archive: Archive
    kinesis: "KinesisClient"
    stream: str


@dataclass(frozen=True)
class LostStrand:
    """What a strand lost: revisions with numbers from `first_leaf` on, up to the size of its newest anchored digest.

    `unnamed` are the runs (first, last) of revision numbers that neither exports nor the stream have. `proven` is true
    if the lost revisions' hashes, with the ledger's, make the root of the digest.
    """

    strand: str
    first_leaf: int
    digest: Digest
    unnamed: tuple[tuple[int, int], ...]
    proven: bool


@dataclass(frozen=True)
class Missing:
    """What the ledger lacks after a restore.

    `covered` is the newest anchored digest that the ledger reaches, if any; `fault` says what in the ledger, up to
    there, does not verify. `revisions` are the lost ones in order; `kept` counts revisions of lost blocks that the
    database has all the same, because they were committed before the restored moment and sealed after it.
    """

    blocks: int
    tree_size: int
    covered: Digest | None
    fault: str | None
    strands: tuple[LostStrand, ...]
    revisions: tuple[LostRevision, ...]
    kept: int

    @property
    def unnamed(self) -> int:
        """How many anchored revisions are lost that neither exports nor the stream have."""
        return sum(last - first + 1 for strand in self.strands for first, last in strand.unnamed)

    def __bool__(self) -> bool:
        return bool(self.strands or self.revisions)


def find(session: Session, places: Places) -> Missing:
    """Compare the ledger with the anchored digests, the exports and the stream. `session` must be a snapshot."""
    last, strand = repository.last_block(session), strands.current(session)
    count, tree_size = (last.sequence + 1, last.tree_size) if last else (0, 0)
    covered = _covered(places.anchors, strand, cursors.newest_anchor(session), tree_size)
    verdict = verification.verify(session, covered)
    since = repository.revisions_of(session, last)[-1].tx_time if last else None
    revisions = tail.read(strands.blocks(session), count, since, places.archive, places.kinesis, places.stream)
    lost_strands = tuple(_lost_strands(session, places.anchors, strand, tree_size, revisions))
    waiting = _waiting(session, last)
    lost = [revision for revision in revisions.values() if _key(revision) not in waiting]
    return Missing(count, tree_size, covered, verdict.fault, lost_strands, tuple(lost), len(revisions) - len(lost))


def recover(db: Database, places: Places, missing: Missing, by: str, reason: str, clock: Clock) -> Strand:
    """Let the ledger go on after a restore: in a new strand if something is missing. Returns the current strand.

    The usual stream sends again what the insights have not applied. Raises BadInput without `by` or `reason`, Conflict
    if the ledger itself does not verify, UnderWay while something is sealed, published or exported.
    """
    if not by.strip() or not reason.strip():
        raise BadInput("a recovery needs to say who does it and why")
    if missing.fault:
        raise Conflict(f"the ledger itself does not verify, restore another moment: {missing.fault}")
    with db.write() as session:
        lock(session)
        cursors.send_again(session, places.stream)
        known = strands.strands(session)
        if not missing:
            return known[-1]
        named = {lost.strand for lost in missing.strands} | {lost.strand for lost in missing.revisions}
        unknown = sorted(named - {strand.strand for strand in known})
        opened = strands.open_next(session, missing.blocks, missing.tree_size, unknown)
        document = _document(missing, opened, known[-1].strand)
        service.append(session, RECOVERIES, opened, {**document, "by": by, "reason": reason, "at": clock.now()})
        return strands.current(session)


def lock(session: WriteSession) -> None:
    """Lock out sealers, publishers and exports until the transaction ends. Raises UnderWay if one of them works."""
    for key, trouble in _LOCKS:
        if not session.lock_if_free(key):
            raise UnderWay(f"{trouble}: stop the sealers and the functions, then recover")


def _document(missing: Missing, opened: str, previous: str) -> dict[str, object]:
    return {
        "strand": opened,
        "previous": previous,
        "first_block": missing.blocks,
        "first_leaf": missing.tree_size,
        "revisions": len(missing.revisions),
        "unnamed": missing.unnamed,
        "lost_digests": [lost.digest.statement() for lost in missing.strands],
    }


def _covered(anchored: Anchors, strand: Strand, known: int, tree_size: int) -> Digest | None:
    """Return the newest anchored digest of the strand with at most `tree_size` revisions.

    `known` is the size of the newest digest that the database knows, before which nothing needs to be listed.
    """
    newest = None
    for key in anchored.keys(strand.strand, known - 1):
        if anchors.size_of(key) > tree_size:
            break
        newest = key
    return anchored.read(newest) if newest else None


def _lost_strands(
    session: Session, anchored: Anchors, strand: Strand, tree_size: int, found: Mapping[Place, LostRevision]
) -> list[LostStrand]:
    """Return what the current strand lost, and the strands opened after the restored moment, by their digests."""
    starts = [(strand.strand, tree_size)] + [(name, -1) for name in anchors.unknown_strands(session, anchored)]
    lost = []
    for name, after in starts:
        keys = list(anchored.keys(name, after))
        if keys:
            # A strand that was opened later begins with the digest that its recovery anchored.
            first = after if after >= 0 else anchors.size_of(keys[0])
            lost.append(_lost_strand(session, name, first, tree_size, anchored.read(keys[-1]), found))
    return lost


def _lost_strand(
    session: Session, name: str, first: int, tree_size: int, digest: Digest, found: Mapping[Place, LostRevision]
) -> LostStrand:
    leaves = [leaf for strand, leaf in found if strand == name and first <= leaf < digest.tree_size]
    unnamed = _gaps([first - 1, *leaves, digest.tree_size])
    proven = False
    if not unnamed and first <= tree_size:
        kept = Tree(first, tuple(repository.nodes(session, cover((0, first)))))
        proven = kept.grown([found[name, leaf].hash for leaf in leaves])[0].root() == digest.root
    return LostStrand(name, first, digest, unnamed, proven)


def _gaps(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the runs (first, last) of numbers that are left out of an ascending list."""
    return tuple((before + 1, after - 1) for before, after in pairwise(numbers) if after > before + 1)


def _waiting(session: Session, last: Block | None) -> set[tuple[object, ...]]:
    """Return the keys, as of `_key`, of the revisions that are in no block yet."""
    return set(repository.unsealed_keys(session, last.tx_before if last else 0))


def _key(revision: LostRevision) -> tuple[object, ...]:
    return revision.tx_id, revision.tx_time, revision.table_name, revision.document_id
