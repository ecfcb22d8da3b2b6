"""Inclusion and consistency proofs, made from the tree nodes stored in blocks (RFC 9162 §2.1.3 and §2.1.4)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.clock import Clock
from app.db import Session
from app.errors import BadInput, NotSealed
from app.ledger import digests, repository, service
from app.ledger.digests import Digest
from app.ledger.merkle import Span, consistency_path, cover, fold, inclusion_path
from app.ledger.models import Revision, Sealed
from app.ledger.records import b64, revision_record

MOST_WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.02
View = Callable[[Revision], Revision]


def whole(revision: Revision) -> Revision:
    return revision


def seen(leaf: Sealed, view: View) -> Sealed:
    """Return a sealed revision, reduced by `view` to what the caller may see."""
    return replace(leaf, revision=view(leaf.revision))


def sealed_revision(session: Session, table: str, document_id: UUID | str, version: int | None = None) -> Sealed:
    """Return a revision (default: newest) with its leaf and block. Raises NotFound, or NotSealed if in no block yet."""
    revision, version = service.revision(session, table, document_id, version)
    block = repository.block_of_transaction(session, revision.tx_id)
    if block is None:
        raise NotSealed(f"version {version} of document {document_id} is not sealed yet: ask again in a moment")
    place = repository.place(session, block, revision)
    leaf = (block.first_leaf + place, block.sequence, block.version(place), block.leaf(place))
    return Sealed(*leaf, revision, block.strand)


def wait_sealed(session: Session, table: str, document_id: UUID | str, version: int | None = None) -> Sealed:
    """Return a revision once it is in a block. Raises NotSealed after 2 s. `session` must be READ COMMITTED."""
    deadline = time.monotonic() + MOST_WAIT_SECONDS
    while True:
        try:
            return sealed_revision(session, table, document_id, version)
        except NotSealed:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)


def inclusion(session: Session, leaf: Sealed, digest: Digest) -> dict[str, Any]:
    """Return the proof that a revision is in the digest's tree. Raises NotSealed if it was sealed after the digest."""
    if leaf.sequence >= digest.tree_size:
        raise NotSealed(f"revision {leaf.sequence} came after the digest of {digest.tree_size} revisions")
    return {
        "ledgerId": digest.ledger_id,
        "leaf": leaf.sequence,
        "treeSize": digest.tree_size,
        "path": _roots(session, inclusion_path(leaf.sequence, digest.tree_size)),
        "revision": revision_record(leaf),
    }


def proof(
    session: Session,
    table: str,
    document_id: UUID | str,
    version: int | None,
    clock: Clock,
    *,
    wait: bool = False,
    view: View = whole,
) -> dict[str, Any]:
    """Return a proof that a revision is in the newest digest. That digest is unsigned: compare it with a trusted one.

    `view` removes what the caller may not see. `wait` waits up to 2 s for the revision to be sealed. Raises NotFound if
    there is no such revision, NotSealed if it is in no block.
    """
    sealed = (wait_sealed if wait else sealed_revision)(session, table, document_id, version)
    leaf = seen(sealed, view)
    digest = digests.take(session, clock)
    return {**inclusion(session, leaf, digest), "digest": digests.signed(digest, None)}


def consistency(session: Session, first: int, second: int) -> dict[str, Any]:
    """Return the proof that the tree of `second` revisions begins with that of `first`.

    Raises BadInput if `first` is greater, NotSealed if the ledger has fewer than `second` sealed revisions.
    """
    if not 0 <= first <= second:
        raise BadInput(f"the earlier tree has {first} revisions, the later only {second}")
    last = repository.last_block(session)
    if second > (size := last.tree_size if last else 0):
        raise NotSealed(f"the ledger has {size} sealed revisions, not {second}")
    path = _roots(session, consistency_path(first, second))
    first_root, second_root = _roots(session, [(0, first), (0, second)])
    sides = {"first": first, "firstRoot": first_root, "second": second, "secondRoot": second_root}
    return {"ledgerId": str(repository.ledger_id(session)), **sides, "path": path}


def _roots(session: Session, spans: Sequence[Span]) -> list[str]:
    """Return the Merkle root of each span, in base64; one query reads the tree nodes of all spans."""
    covers = [cover(span) for span in spans]
    cover_nodes = [node for nodes in covers for node in nodes]
    hashes = iter(repository.nodes(session, cover_nodes))
    return [b64(fold([next(hashes) for _ in nodes])) for nodes in covers]
