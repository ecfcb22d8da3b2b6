"""Revisions and blocks as JSON. Hashes and salts are base64; a revision's `data` is the text that was hashed."""

import base64
from typing import Any

from app.ledger.models import Block, Sealed


def revision_record(leaf: Sealed) -> dict[str, Any]:
    """Return a revision in QLDB's JSON form; if it was erased, `dataHash` takes the place of data and salt."""
    revision = leaf.revision
    if revision.data is None or revision.salt is None:
        content = {"dataHash": b64(revision.data_hash or b"")}
    else:
        content = {"salt": b64(revision.salt), "data": revision.data.decode()}
    metadata = revision_metadata(leaf) | {"table": revision.table_name}
    return {"blockAddress": address(leaf.strand, leaf.block), "hash": b64(leaf.hash), "metadata": metadata, **content}


def revision_metadata(leaf: Sealed) -> dict[str, Any]:
    revision = leaf.revision
    tx_id = str(revision.tx_id)
    return {"id": revision.document_id, "version": leaf.version, "txId": tx_id, "txTime": revision.tx_time}


def block_record(block: Block, leaves: list[Sealed]) -> dict[str, Any]:
    """Return a block with its revisions, in QLDB's JSON form."""
    revisions = [revision_record(leaf) for leaf in leaves]
    return {**block_header(block), "firstLeaf": block.first_leaf, "revisions": revisions}


def block_header(block: Block) -> dict[str, Any]:
    return {
        "blockAddress": address(block.strand, block.sequence),
        "blockTimestamp": block.sealed_at,
        "blockHash": b64(block.hash),
        "previousBlockHash": b64(block.previous_hash),
        "entriesHash": b64(block.root),
        "treeSize": block.tree_size,
    }


def address(strand: str, block: int) -> dict[str, Any]:
    return {"strandId": strand, "sequenceNo": block}


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
