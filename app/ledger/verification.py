"""Verify the whole ledger: recompute every leaf, node, root and block hash from the stored revisions."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from app.db import Session
from app.ledger import repository, sealing_repository
from app.ledger.digests import Digest
from app.ledger.merkle import Tree
from app.ledger.models import Block, Verdict, genesis
from app.ledger.sealing_repository import HashedRow

LEAVES_A_BATCH = 2_048


def verify(session: Session, digest: Digest | None = None) -> Verdict:
    """Verify the whole ledger, and that it contains the digest. The session must read from one fixed snapshot.

    A ledger that lost its newest blocks still verifies; only a digest saved earlier reveals the loss.
    """
    return _Check(session, digest).run()


class _Check:
    """A verification in progress, block by block from the first; counts and tree cover the blocks verified so far."""

    def __init__(self, session: Session, digest: Digest | None) -> None:
        self.session, self.digest, self.met = session, digest, digest is None
        self.blocks, self.tx_before, self.tree = 0, 0, Tree()
        self.previous = genesis(repository.ledger_id(session))

    def run(self) -> Verdict:
        fault = None
        for blocks, rows in _batches(self.session):
            if fault := self._batch_fault(blocks, rows):
                break
        if not fault and self.digest and not self.met:
            fault = f"block {self.digest.block_sequence}: the digest of {self.digest.tree_size} revisions is not met"
            fault += ", the end was cut off" if self.tree.size < self.digest.tree_size else ", the past was changed"
        return Verdict(self.blocks, self.tree.size, self.tree.root(), fault)

    def _batch_fault(self, blocks: Sequence[Block], rows: Sequence[HashedRow]) -> str | None:
        if len(rows) != sum(block.leaves for block in blocks):
            return self._count_fault(blocks)
        at = 0
        for block in blocks:
            if fault := self._block_fault(block) or self._leaves_fault(block, rows[at : at + block.leaves]):
                return fault
            at += block.leaves
        return None

    def _count_fault(self, batch: Sequence[Block]) -> str | None:
        for block in batch:
            if fault := self._block_fault(block):
                return fault
            stored = sealing_repository.count(self.session, block.tx_from, block.tx_before)
            if stored != block.leaves:
                return f"block {block.sequence}: revisions are {'missing' if stored < block.leaves else 'added'}"
            if fault := self._leaves_fault(block, _rows(self.session, [block])()):
                return fault
        return f"block {batch[0].sequence}: revisions are missing"

    def _block_fault(self, block: Block) -> str | None:
        name = f"block {self.blocks}"
        if block.sequence != self.blocks or block.first_leaf != self.tree.size:
            return f"{name} is missing"
        if block.previous_hash != self.previous or block.tx_from != self.tx_before:
            return f"{name} is not chained to the block before it"
        if block.hash != block.computed_hash():
            return f"{name}: its header was changed"
        return None

    def _leaves_fault(self, block: Block, rows: Sequence[HashedRow]) -> str | None:
        leaves = _leaves(rows, block.versions)
        tree, nodes = self.tree.grown(leaves)
        if nodes != block.nodes:
            return self._changed(block, leaves)
        if tree.root() != block.root:
            return f"block {block.sequence}: its leaves do not make its root"
        self.tree, self.previous = tree, block.hash
        self.blocks, self.tx_before = self.blocks + 1, block.tx_before
        if self.digest and block.hash == self.digest.block_hash:
            self.met = (block.tree_size, block.root) == (self.digest.tree_size, self.digest.root)
        return None

    def _changed(self, block: Block, leaves: Sequence[bytes]) -> str:
        name = f"block {block.sequence}"
        for place, leaf in enumerate(leaves):
            if leaf != block.leaf(place):
                revision = repository.revisions_of(self.session, block)[place]
                document = f"{revision.table_name} {revision.document_id}, version {block.version(place)}"
                return f"{name}: revision {block.first_leaf + place} ({document}) was changed"
        return f"{name}: the nodes over its leaves were changed"


def _leaves(rows: Sequence[HashedRow], versions: bytes) -> list[bytes]:
    """Compute the leaf hashes of rows. For millions of rows `offline.revision_leaf`, which parses JSON, is too slow."""
    return [
        sha256(
            b"\x00"
            + metadata
            + versions[at : at + 4]
            + (sha256(body).digest() if body is not None else data_hash or b"")
        ).digest()
        for at, (metadata, body, data_hash) in zip(range(0, len(versions), 4), rows, strict=True)
    ]


def _batches(session: Session) -> Iterator[tuple[Sequence[Block], Sequence[HashedRow]]]:
    """Yield all blocks in batches, with the bytes to hash; the server reads a batch while the caller hashes another."""
    with session.connection.pipeline():
        blocks = repository.blocks_after(session, 0, LEAVES_A_BATCH)
        read = _rows(session, blocks)
        while blocks:
            following = repository.blocks_after(session, blocks[-1].tree_size, LEAVES_A_BATCH)
            rows, read = read(), _rows(session, following)
            yield blocks, rows
            blocks = following


def _rows(session: Session, blocks: Sequence[Block]) -> Callable[[], list[HashedRow]]:
    if not blocks:
        return list
    return sealing_repository.hashed(session, blocks[0].tx_from, blocks[-1].tx_before)
