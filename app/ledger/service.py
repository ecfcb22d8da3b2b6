"""Appending to the journal, reading a document's history, and checking the whole."""

import os
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson

from app.db import Session, WriteSession
from app.errors import BadInput, NotFound
from app.ledger import repository
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.models import Block, HistoryEntry, Sealed, Status, Verdict, canonical

DOCUMENTS_A_TRANSACTION = 40
BYTES_A_DOCUMENT = 128 * 1024
BYTES_A_TRANSACTION = 4 * 1024 * 1024

GENESIS = bytes(32)
_ITEMS_BYTES = BYTES_A_DOCUMENT - 8 * 1024


def append(session: WriteSession, table: str, document_id: UUID | str, data: object) -> None:
    """Write a revision of a document in the caller's own transaction.

    `data` is anything JSON can say, dataclasses, UUIDs, dates and times included. Raises BadInput past QLDB's limits:
    40 documents and 4 MB a transaction, 128 KB a document. The caller's transaction then rolls back.
    """
    append_all(session, table, [(document_id, data)])


def append_all(session: WriteSession, table: str, documents: Sequence[tuple[UUID | str, object]]) -> None:
    """`append` for several documents, in one statement."""
    rows = [
        (str(document_id), os.urandom(16), _body(session, table, document_id, data)) for document_id, data in documents
    ]
    repository.insert(session, table, rows)


def _body(session: WriteSession, table: str, document_id: UUID | str, data: object) -> bytes:
    try:
        body = canonical(data)
    except orjson.JSONEncodeError as refused:
        raise BadInput(f"document {document_id} of {table} can't be written as JSON: {refused}") from None
    if len(body) > BYTES_A_DOCUMENT:
        raise BadInput(f"document {document_id} of {table} has {len(body)} bytes; {BYTES_A_DOCUMENT} is the limit")
    session.journaled(len(body), DOCUMENTS_A_TRANSACTION, BYTES_A_TRANSACTION)
    return body


def append_items(session: WriteSession, table: str, document_id: str, items: Iterable[Any], **head: object) -> None:
    """Write many small items as documents `<document_id>/0`, `/1`, … of {**head, "items": […]}, within the limits."""
    parts: list[list[Any]] = [[]]
    size = 0
    for item in items:
        length = len(canonical(item)) + 1
        if parts[-1] and size + length > _ITEMS_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(item)
        size += length
    append_all(session, table, [(f"{document_id}/{n}", {**head, "items": part}) for n, part in enumerate(parts)])


def history(session: Session, table: str, document_id: str) -> list[HistoryEntry]:
    """Every revision of a document, oldest first. Raises NotFound where there is none."""
    entries = repository.history(session, table, document_id)
    if not entries:
        raise NotFound(f"the ledger has no document {document_id} in table {table}")
    return entries


def status(session: Session) -> Status:
    return repository.status(session)


def verify(session: Session) -> Verdict:
    """Recompute every leaf, root and link from the revisions' own bytes, in one snapshot of the database."""
    frontier, previous, checked = Frontier(), GENESIS, 0
    versions: dict[tuple[str, str], int] = {}
    while batch := repository.blocks_from(session, checked, 256):
        for block in batch:
            leaves = repository.sealed_in(session, block.sequence)
            fault = _block_fault(block, checked, previous, frontier.size, leaves) or _leaf_fault(leaves, versions)
            frontier = frontier.extended([leaf.hash for leaf in leaves])
            if not fault and frontier.root() != block.root:
                fault = f"block {block.sequence}: its leaves do not make its root"
            if fault:
                return Verdict(checked, block.first_leaf, previous, fault)
            previous, checked = block.hash, checked + 1
    return Verdict(checked, frontier.size, frontier.root(), None)


def _block_fault(block: Block, sequence: int, previous: bytes, size: int, leaves: list[Sealed]) -> str | None:
    name = f"block {sequence}"
    if block.sequence != sequence:
        return f"{name} is missing"
    if block.previous_hash != previous:
        return f"{name} is not chained to the block before it"
    if block.hash != block.computed_hash():
        return f"{name}: its header was changed"
    if block.first_leaf != size or [leaf.sequence for leaf in leaves] != list(range(size, block.tree_size)):
        return f"{name}: revisions are missing"
    return None


def _leaf_fault(leaves: list[Sealed], versions: dict[tuple[str, str], int]) -> str | None:
    for leaf in leaves:
        document = (leaf.revision.table_name, leaf.revision.document_id)
        expected = versions.get(document, 0)
        if leaf.version != expected or leaf_hash(leaf.revision.leaf(leaf.version)) != leaf.hash:
            return (
                f"block {leaf.block}: revision {leaf.sequence} "
                f"({document[0]} {document[1]}, version {leaf.version}) was changed"
            )
        versions[document] = expected + 1
    return None
