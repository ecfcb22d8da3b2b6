"""The ledger's revisions and blocks. Hashes are SHA-256, 32 bytes; README.md defines the bytes that are hashed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import Any
from uuid import UUID

import orjson

from app.ledger.merkle import HASH, completed

STRAND = "journal"
"""The first strand's name. Objects and partition keys of all strands begin with it (`strands.py`)."""
_VERSION = 4  # bytes
_YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)
_HEADER = Struct(">BQQQq")


@dataclass(frozen=True)
class Revision:
    """A document's data after one transaction. `data` is JSON, byte for byte as the application appended it.

    An erased revision has lost its data and salt, but still has their hash `data_hash`, which is H(salt ‖ data).
    """

    tx_id: int
    revision_id: int
    tx_time: datetime
    table_name: str
    document_id: str
    salt: bytes | None
    data: bytes | None
    data_hash: bytes | None


@dataclass(frozen=True)
class Block:
    """The leaves [first_leaf, tree_size) of the Merkle tree, sealed together and chained to the block before.

    Its leaves are the revisions of transactions [tx_from, tx_before), in the order of (tx_id, revision_id). Its strand
    is not hashed: it depends on its number (`strands.py`).
    """

    sequence: int
    first_leaf: int
    tree_size: int
    tx_from: int
    tx_before: int
    sealed_at: datetime
    root: bytes
    previous_hash: bytes
    hash: bytes
    nodes: bytes
    versions: bytes
    strand: str = STRAND

    @property
    def leaves(self) -> int:
        return self.tree_size - self.first_leaf

    def computed_hash(self) -> bytes:
        sealed_at = (self.sealed_at - _YEAR_2000) // timedelta(microseconds=1)
        header = _HEADER.pack(2, self.sequence, self.first_leaf, self.tree_size, sealed_at)
        return sha256(header + self.root + self.previous_hash).digest()

    def leaf(self, place: int) -> bytes:
        """Return the hash of the block's leaf number `place`, counted from 0."""
        at = HASH * (completed(self.first_leaf + place) - completed(self.first_leaf))
        return self.nodes[at : at + HASH]

    def version(self, place: int) -> int:
        return int.from_bytes(self.versions[_VERSION * place : _VERSION * (place + 1)])


@dataclass(frozen=True)
class Unsealed:
    """A committed revision that is not in a block yet.

    All transactions with ids below `horizon` have ended, this revision's too. `earlier` is the number of the same
    document's revisions that are in blocks. `metadata` and `body` are the bytes to hash.
    """

    tx_id: int
    horizon: int
    table_name: str
    document_id: str
    earlier: int
    metadata: bytes
    body: bytes | None
    data_hash: bytes | None


@dataclass(frozen=True)
class Sealed:
    """A revision in a block: its leaf number, block, version, leaf hash and strand."""

    sequence: int
    block: int
    version: int
    hash: bytes
    revision: Revision
    strand: str


@dataclass(frozen=True)
class HistoryEntry:
    """One revision of a document. `block` is None before sealing, `data` is None after erasure.

    `redacted` is true if fields of `data` are hidden from the caller.
    """

    tx_id: str
    tx_time: datetime
    version: int
    block: int | None
    data: Any
    redacted: bool = False

    @property
    def sealed(self) -> bool:
        return self.block is not None


@dataclass(frozen=True)
class Status:
    ledger_id: UUID
    revisions: int
    sealed: int
    blocks: int
    oldest_unsealed_seconds: float


@dataclass(frozen=True)
class Verdict:
    """The result of verifying the whole ledger; `fault` names the first block or revision that does not verify."""

    blocks: int
    revisions: int
    root: bytes
    fault: str | None


def genesis(ledger_id: UUID) -> bytes:
    """Return the hash that the first block is chained to: the SHA-256 of the ledger's id."""
    return sha256(ledger_id.bytes).digest()


def canonical(value: object) -> bytes:
    """Serialize a value as canonical JSON: keys sorted, no spaces, times in UTC with a Z."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
