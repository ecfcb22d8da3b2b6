"""Recover the ledger after a restore of the database, and report what was lost."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from app import aws
from app.clock import Clock
from app.db import Database, Session
from app.errors import NotFound
from app.ledger import cursors, digests, recovery
from app.ledger import service as journal
from app.ledger.anchors import Anchors
from app.ledger.archive import Archive
from app.ledger.digests import Digest
from app.ledger.recovery import Missing, Places
from app.ledger.strands import Strand
from app.recovery import losses
from app.settings import Settings

_TRIES = 10  # Kinesis allows five reads a second of a shard


def places(settings: Settings, session: Session) -> Places:
    """Return where the settings say that lost revisions may be found."""
    s3 = aws.client("s3", read_s=30)
    anchors = Anchors.of(settings, s3, journal.status(session).ledger_id)
    return Places(anchors, Archive.of(settings, s3), aws.client("kinesis", tries=_TRIES), settings.stream_name)


def find(db: Database, settings: Settings) -> Missing:
    """Compare the restored ledger with the anchored digests, the exports and the stream."""
    with db.snapshot() as session:
        return recovery.find(session, places(settings, session))


def recover(db: Database, settings: Settings, missing: Missing, by: str, reason: str, clock: Clock) -> Strand:
    """Let the ledger go on, and anchor the new strand's first digest. Returns the current strand; raises as
    `app.ledger.recovery.recover` does.
    """
    with db.read() as session:
        where = places(settings, session)
    strand = recovery.recover(db, where, missing, by, reason, clock)
    if missing:
        _anchor(db, settings, where.anchors, clock)
    return strand


def _anchor(db: Database, settings: Settings, anchors: Anchors, clock: Clock) -> None:
    try:
        with db.snapshot() as session:
            digest = digests.take(session, clock)
    except NotFound:  # the restored ledger has no block
        return
    record = digests.signed(digest, digests.signer(settings))
    retain = timedelta(days=settings.digest_kept_days)
    key = digests.anchor(anchors.s3, anchors.bucket, record, retain, anchors.prefix)
    with db.write() as session:
        cursors.anchored(session, digest.tree_size, key)


def report(missing: Missing) -> Iterator[dict[str, Any]]:
    """Yield what is missing as JSON objects: a summary, then strands, erasures to repeat, members and all documents."""
    lost = losses.documents(missing.revisions)
    erasures = losses.erasures(missing.revisions)
    yield {
        "missing": len(missing.revisions),
        "unnamed": missing.unnamed,
        "kept": missing.kept,
        "blocks": missing.blocks,
        "treeSize": missing.tree_size,
        "covered": _digest(missing.covered),
        "fault": missing.fault,
        "documents": dict(sorted(Counter(revision.table_name for revision in missing.revisions).items())),
        "points": sum(document.points for document in lost),
        "paidMinor": sum(document.paid_minor for document in lost),
    }
    for strand in missing.strands:
        runs = [{"first": first, "last": last} for first, last in strand.unnamed]
        yield {"strand": strand.strand, "digest": _digest(strand.digest), "unnamed": runs, "proven": strand.proven}
    yield from ({"eraseAgain": document} for document in erasures)
    for member in losses.by_member(lost):
        yield {"member": member.member_id, "points": member.points, **_without(asdict(member), "member_id")}
    effects = {(document.table_name, document.document_id): document for document in lost}
    for revision in missing.revisions:
        effect = effects.get((revision.table_name, revision.document_id))
        yield {
            "table": revision.table_name,
            "id": revision.document_id,
            "version": revision.version,
            "strand": revision.strand,
            "block": revision.block,
            "leaf": revision.leaf,
            "txTime": revision.tx_time,
            "from": revision.source,
            **({"member": effect.member_id, "effect": effect.effect, "points": effect.points} if effect else {}),
        }


def _digest(digest: Digest | None) -> dict[str, Any] | None:
    if digest is None:
        return None
    return {"treeSize": digest.tree_size, "block": digest.block_sequence, "takenAt": digest.taken_at}


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}
