"""Appending to the journal, and reading what it says of a document."""

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
    """Write many small items as documents `<document_id>/0`, `/1`, … of {**head, "items": […]}, within the limits.

    Takes the items one by one, keeps those of one document at a time, and writes nothing where there is no item.
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
    """A document's revisions of transactions begun in [since, until), oldest first: all, or those behind a version.

    Raises NotFound where the ledger has no such document, and BadInput where the range ends before it starts.
    """
    if since and until and since >= until:
        raise BadInput(f"the range ends before it starts: from {since.isoformat()} to {until.isoformat()}")
    entries = repository.history(session, table, str(document_id), since, until, after, limit)
    if not entries and repository.revision(session, table, str(document_id), None) is None:
        raise NotFound(f"the ledger has no document {document_id} in table {table}")
    return entries


def histories(session: Session, table: str, document_ids: Iterable[UUID | str]) -> dict[str, list[Any]]:
    """By document, the data of its revisions, oldest first; documents that the ledger doesn't have are left out."""
    histories: dict[str, list[Any]] = {}
    for document_id, data in repository.histories(session, table, [str(document_id) for document_id in document_ids]):
        histories.setdefault(document_id, []).append(data)
    return histories


def revision(session: Session, table: str, document_id: UUID | str, version: int | None = None) -> tuple[Revision, int]:
    """A document's revision of that version, or its newest; and the version. Raises NotFound."""
    found = repository.revision(session, table, str(document_id), version)
    if found is None:
        of_version = "" if version is None else f" of version {version}"
        raise NotFound(f"the ledger has no document {document_id}{of_version} in table {table}")
    return found


def block(session: Session, sequence: int) -> Block:
    """Raises NotFound."""
    found = repository.block(session, sequence)
    if found is None:
        raise NotFound(f"the ledger has no block {sequence}")
    return found


def began(session: Session) -> datetime | None:
    """When the journal's first epoch was opened; None before that."""
    return repository.began(session)


def status(session: Session) -> Status:
    return repository.status(session)


def verify(session: Session, digest: Digest | None = None) -> Verdict:
    """Recompute everything, and meet the digest on the way; the session must see one moment."""
    return verification.verify(session, digest)


def redact(
    session: WriteSession, table: str, document_id: UUID | str, by: str, reason: str, leaving: object = None
) -> int:
    """Erase data and salt of a document's revisions, for good; how many. Every proof still holds.

    Who did it and why becomes a revision of its own, and so does what is left of the document, where anything is: in
    the same transaction. Raises NotFound where there is nothing to erase, and BadInput for the record of an erasure or
    where nobody says why.
    """
    if not by.strip() or not reason.strip():
        raise BadInput("an erasure needs to say who asks for it and why")
    if table == REDACTIONS and leaving is None:
        raise BadInput(f"the records in {REDACTIONS} tell of erasures and stay")
    left = None if leaving is None else canonical(leaving).decode()
    erased = repository.redact(session, table, str(document_id), by, reason, left)
    if not erased:
        raise NotFound(f"the ledger has nothing to erase of document {document_id} in table {table}")
    return erased
