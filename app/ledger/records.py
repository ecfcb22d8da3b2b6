"""The ledger's JSON in proofs, exports and the API. Hashes and salts are base64; `data` is text, as it was hashed."""

import base64
from typing import Any

from app.ledger.models import STRAND, Block, Sealed


def revision_record(leaf: Sealed) -> dict[str, Any]:
    """Return a revision in QLDB's form; if it was erased, `dataHash` takes the place of data and salt."""
    revision = leaf.revision
    if revision.data is None or revision.salt is None:
        content = {"dataHash": b64(revision.data_hash or b"")}
    else:
        content = {"salt": b64(revision.salt), "data": revision.data.decode()}
    return {
        "blockAddress": {"strandId": STRAND, "sequenceNo": leaf.block},
        "hash": b64(leaf.hash),
        "metadata": {
            "id": revision.document_id,
            "table": revision.table_name,
            "version": leaf.version,
            "txId": str(revision.tx_id),
            "txTime": revision.tx_time,
        },
        **content,
    }


def block_record(block: Block, leaves: list[Sealed]) -> dict[str, Any]:
    return {
        "blockAddress": {"strandId": STRAND, "sequenceNo": block.sequence},
        "blockTimestamp": block.sealed_at,
        "blockHash": b64(block.hash),
        "previousBlockHash": b64(block.previous_hash),
        "entriesHash": b64(block.root),
        "firstLeaf": block.first_leaf,
        "treeSize": block.tree_size,
        "revisions": [revision_record(leaf) for leaf in leaves],
    }


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
