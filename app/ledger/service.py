"""Append revisions to the journal, read them, and erase their data."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from sys import maxsize
from typing import Any, TypeVar
from uuid import UUID

import orjson

from app.db import Session, WriteSession
from app.errors import BadInput, NotFound
from app.ledger import repository
from app.ledger.models import Block, HistoryEntry, Revision, Status, canonical

DOCUMENTS_A_TRANSACTION = 40
BYTES_A_DOCUMENT = 128 * 1024
BYTES_A_TRANSACTION = 4 * 1024 * 1024

REDACTIONS = "redactions"
_ITEMS_BYTES = BYTES_A_DOCUMENT - 8 * 1024
Item = TypeVar("Item")


def append(session: WriteSession, table: str, document_id: UUID | str, data: object) -> None:
    """Append a revision of a document, in the caller's transaction.

    `data` may be any JSON value, dataclass, UUID, date or time. Raises BadInput above QLDB's limits, 40 documents and
    4 MB per transaction, 128 KB per document, so that the transaction is rolled back.
    """
    append_all(session, table, [(document_id, data)])


def append_all(session: WriteSession, table: str, documents: Sequence[tuple[UUID | str, object]]) -> None:
    """Append a revision of each document (id, data), like `append`, in one statement."""
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
    """Append many small items in as few documents as possible: `<document_id>/0`, `/1`, … with {**head, "items": […]}.

    Reads from `items` only as many as fit the next document. Writes nothing if there are no items.
    """
    parts = batches(items, lambda item: len(canonical(item)) + 1, _ITEMS_BYTES)
    for number, part in enumerate(parts):
        append(session, table, f"{document_id}/{number}", {**head, "items": part})


def batches(
    items: Iterable[Item], size_of: Callable[[Item], int], most_bytes: int, most: int = maxsize
) -> Iterator[list[Item]]:
    """Yield the items in lists of at most `most` items and `most_bytes` bytes; a larger item is a list of its own."""
    batch: list[Item] = []
    size = 0
    for item in items:
        length = size_of(item)
        if batch and (len(batch) == most or size + length > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def history(
    session: Session,
    table: str,
    document_id: UUID | str,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    limit: int | None = None,
) -> list[HistoryEntry]:
    """Return a document's revisions after version `after`, whose transactions began in [since, until); oldest first.

    Raises NotFound if the ledger has no such document, BadInput if the range is reversed.
    """
    if since and until and since >= until:
        raise BadInput(f"the range ends before it starts: from {since.isoformat()} to {until.isoformat()}")
    entries = repository.history(session, table, str(document_id), since, until, after, limit)
    if not entries and repository.revision(session, table, str(document_id), None) is None:
        raise NotFound(f"the ledger has no document {document_id} in table {table}")
    return entries


def histories(session: Session, table: str, document_ids: Iterable[UUID | str]) -> dict[str, list[Any]]:
    """Return the data of all revisions of each document, oldest first; unknown documents are left out."""
    histories: dict[str, list[Any]] = {}
    for document_id, data in repository.histories(session, table, [str(document_id) for document_id in document_ids]):
        histories.setdefault(document_id, []).append(data)
    return histories


def revision(session: Session, table: str, document_id: UUID | str, version: int | None = None) -> tuple[Revision, int]:
    """Return a document's revision and its version; None means the newest. Raises NotFound if there is none."""
    versioned = repository.revision(session, table, str(document_id), version)
    if versioned is None:
        of_version = "" if version is None else f" of version {version}"
        raise NotFound(f"the ledger has no document {document_id}{of_version} in table {table}")
    return versioned


def block(session: Session, sequence: int) -> Block:
    """Return a block by its number. Raises NotFound if it is not sealed."""
    block = repository.block(session, sequence)
    if block is None:
        raise NotFound(f"the ledger has no block {sequence}")
    return block


def began(session: Session) -> datetime | None:
    """Return when the ledger was created; None if there is no ledger yet."""
    return repository.began(session)


def status(session: Session) -> Status:
    return repository.status(session)


def redact(
    session: WriteSession, table: str, document_id: UUID | str, by: str, reason: str, leaving: object = None
) -> int:
    """Erase the data and salts of a document's revisions; return how many revisions. Every proof still verifies.

    The same transaction appends a record of who erased it and why, and `leaving`, if any, as the document's next
    revision. Raises NotFound if there is nothing to erase, BadInput if `by` or `reason` is empty or if the document is
    itself the record of an erasure.
    """
    if not by.strip() or not reason.strip():
        raise BadInput("an erasure needs to say who asks for it and why")
    if table == REDACTIONS and leaving is None:
        raise BadInput(f"the records in {REDACTIONS} tell of erasures and stay")
    remainder = None if leaving is None else canonical(leaving).decode()
    erased = repository.redact(session, table, str(document_id), by, reason, remainder)
    if not erased:
        raise NotFound(f"the ledger has nothing to erase of document {document_id} in table {table}")
    return erased
