"""The journal's records. A hash is 32 bytes of SHA-256."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson


@dataclass(frozen=True)
class Revision:
    """A document as one transaction left it, as the database keeps it. `data` is JSON, byte for byte as appended."""

    revision_id: int
    tx_id: str
    tx_time: datetime
    table_name: str
    document_id: str
    salt: bytes
    data: bytes

    def leaf(self, version: int) -> bytes:
        """What the tree holds of it: metadata ‖ H(salt ‖ data)."""
        metadata = {
            "id": self.document_id,
            "table": self.table_name,
            "txId": self.tx_id,
            "txTime": self.tx_time,
            "version": version,
        }
        return canonical(metadata) + sha256(self.salt + self.data).digest()


@dataclass(frozen=True)
class Block:
    """A sealed run of leaves [first_leaf, tree_size), chained to the block before it."""

    sequence: int
    first_leaf: int
    tree_size: int
    sealed_before: str
    sealed_at: datetime
    root: bytes
    frontier: bytes
    previous_hash: bytes
    hash: bytes

    def computed_hash(self) -> bytes:
        header = {
            "firstLeaf": self.first_leaf,
            "previousHash": self.previous_hash.hex(),
            "root": self.root.hex(),
            "sealedAt": self.sealed_at,
            "sequence": self.sequence,
            "treeSize": self.tree_size,
        }
        return sha256(canonical(header)).digest()


@dataclass(frozen=True)
class Sealed:
    """A revision with its place in the tree."""

    sequence: int
    block: int
    version: int
    hash: bytes
    revision: Revision


@dataclass(frozen=True)
class HistoryEntry:
    """One revision of a document's history; `sequence`, `block` and `version` are None until it is sealed."""

    tx_id: str
    tx_time: datetime
    data: Any
    sequence: int | None
    block: int | None
    version: int | None


@dataclass(frozen=True)
class Status:
    revisions: int
    sealed: int
    blocks: int
    oldest_unsealed_seconds: float


@dataclass(frozen=True)
class Verdict:
    """What a full check found; `fault` names the first block and revision that do not fit."""

    blocks: int
    revisions: int
    root: bytes
    fault: str | None


def canonical(value: object) -> bytes:
    """The one JSON form that is hashed: keys sorted, no spaces, times in UTC with a Z."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
