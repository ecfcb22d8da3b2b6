"""Append to the journal, and read a document's revisions."""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from app.db import Session, WriteSession
from app.errors import BadInput, NotFound
from app.ledger import repository, verification
from app.ledger.digests import Digest
from app.ledger.models import Block, HistoryEntry, Revision, Status, Verdict, canonical

DOCUMENTS_A_TRANSACTION = 40
BYTES_A_DOCUMENT = 128 * 1024
BYTES_A_TRANSACTION = 4 * 1024 * 1024

REDACTIONS = "redactions"
_ITEMS_BYTES = BYTES_A_DOCUMENT - 8 * 1024


def append(session: WriteSession, table: str, document_id: UUID | str, data: object) -> None:
    """Write a revision of a document in the caller's own transaction.

    `data` is any JSON, and dataclasses, UUIDs, dates and times. Raises BadInput past QLDB's limits, which rolls the
    caller's transaction back: 40 documents and 4 MB a transaction, 128 KB a document.
    """
    append_all(session, table, [(document_id, data)])


def append_all(session: WriteSession, table: str, documents: Sequence[tuple[UUID | str, object]]) -> None:
    """Append one revision for each of several documents, in one statement."""
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
    """Write many small items as documents `<document_id>/0`, `/1`, … of {**head, "items": […]}, within the limits.

    Consumes the items lazily, buffering one document's, and writes nothing if there are none.
    """
    for number, part in enumerate(_parts(items)):
        append(session, table, f"{document_id}/{number}", {**head, "items": part})


def _parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    part: list[Any] = []
    size = 0
    for item in items:
        length = len(canonical(item)) + 1
        if part and size + length > _ITEMS_BYTES:
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part


def history(
    session: Session,
    table: str,
    document_id: UUID | str,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    limit: int | None = None,
) -> list[HistoryEntry]:
    """Return a document's revisions of transactions begun in [since, until), oldest first, paged by version.

    Raises NotFound if the ledger has no such document, BadInput if the range is reversed.
    """
    if since and until and since >= until:
        raise BadInput(f"the range ends before it starts: from {since.isoformat()} to {until.isoformat()}")
    entries = repository.history(session, table, str(document_id), since, until, after, limit)
    if not entries and repository.revision(session, table, str(document_id), None) is None:
        raise NotFound(f"the ledger has no document {document_id} in table {table}")
    return entries


def histories(session: Session, table: str, document_ids: Iterable[UUID | str]) -> dict[str, list[Any]]:
    """Return each document's revisions' data, oldest first; unknown documents are left out."""
    histories: dict[str, list[Any]] = {}
    for document_id, data in repository.histories(session, table, [str(document_id) for document_id in document_ids]):
        histories.setdefault(document_id, []).append(data)
    return histories


def revision(session: Session, table: str, document_id: UUID | str, version: int | None = None) -> tuple[Revision, int]:
    """Return a document's revision, the newest if `version` is None, and its version. Raises NotFound."""
    versioned = repository.revision(session, table, str(document_id), version)
    if versioned is None:
        of_version = "" if version is None else f" of version {version}"
        raise NotFound(f"the ledger has no document {document_id}{of_version} in table {table}")
    return versioned


def block(session: Session, sequence: int) -> Block:
    """Return a block. Raises NotFound."""
    block = repository.block(session, sequence)
    if block is None:
        raise NotFound(f"the ledger has no block {sequence}")
    return block


def began(session: Session) -> datetime | None:
    """Return when the journal's first epoch was opened; None before that."""
    return repository.began(session)


def status(session: Session) -> Status:
    return repository.status(session)


def verify(session: Session, digest: Digest | None = None) -> Verdict:
    """Recompute the whole ledger, and check that it contains the digest; the session must be one snapshot."""
    return verification.verify(session, digest)


def redact(
    session: WriteSession, table: str, document_id: UUID | str, by: str, reason: str, leaving: object = None
) -> int:
    """Erase data and salts of a document's revisions for good, and return how many; every proof still verifies.

    In the same transaction, who erased it and why becomes a revision, and so does `leaving`, what is kept of the
    document. Raises NotFound if there is nothing to erase, BadInput without a reason or for the record of an erasure.
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
