"""Erase a member who asks for it (Art. 17 GDPR): texts about them are removed from tables, ledger and exports.

Purchases and points stay under the member's id, which names nobody, so that books and proofs still hold. Hourly windows
hold sums only. The journal of a bulk import is shared by its members and stays; people join by POST /members. The
member is marked first: marked members cannot order or claim, and texts written later are dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.accounts import claims, corrections
from app.clock import Clock, SystemClock
from app.db import Database, Session, WriteSession
from app.erasure import repository
from app.errors import BadInput, Conflict, NotFound
from app.ledger import archive as archives
from app.ledger import service as journal
from app.ledger.archive import Archive
from app.members.models import ERASED
from app.offers import settling as settlement

Document = tuple[str, str]
"""A document's table in the journal, and its id."""

WORDS: dict[str, dict[str, str | list[str] | None]] = {
    "claims": {"evidence": ERASED, "reason": ERASED},
    "corrections": {"reason": ERASED, "evidence": ERASED, "closing_reason": ERASED},
    "members": {"name": ERASED, "income_band": None, "marital_status": None, "consented_at": None},
    "orders": {"area": ERASED},
    journal.REDACTIONS: {"reason": ERASED},
    "returns": {"reason": ERASED},
    "vendors": {"reasons": [ERASED]},
}
"""Fields with texts about a person by table, and the values that replace them."""


class Ground(StrEnum):
    """The ground of an erasure (Art. 17(1) GDPR).

    Only this is stored, because the full reason may identify the member.
    """

    ASKED = "asked"
    CONSENT_WITHDRAWN = "consent withdrawn"
    NOT_NEEDED = "no longer needed"
    OBJECTED = "objected"
    UNLAWFUL = "unlawful"
    LAW = "required by law"
    OTHER = "other"

    @classmethod
    def of(cls, reason: str) -> "Ground":
        words = " ".join(reason.casefold().split())
        return cls(words) if words in set(cls) else cls.OTHER


@dataclass(frozen=True)
class Erased:
    """The number of documents and revisions with texts of the member, and of rewritten objects."""

    documents: int
    revisions: int
    objects: int


def erase(
    db: Database,
    redacting: Database,
    archive: Archive,
    member_id: UUID,
    by: str,
    reason: str,
    clock: Clock | None = None,
) -> Erased:
    """Erase a member for good, with a login that may redact. If interrupted, call it again to complete.

    Ends subscriptions, cancels open payments, refuses open claims and rejects proposed corrections. Raises NotFound,
    Conflict if it was completed before, BadInput if requester or reason is missing.
    """
    name = _must_say(db, member_id, by, reason)
    _mark(db, member_id, clock or SystemClock())
    ground = Ground.of(reason)
    with db.read() as session:
        vendors = repository.vendors_mentioning(session, _mentions(member_id, name))
        documents = list(_documents(session, member_id, vendors))
    revisions = sum(_redact(redacting, document, by, ground) for document in documents)
    objects = archives.erase(db, archive, documents)
    with db.write() as session:
        repository.erase_words(session, member_id, vendors)
    return Erased(len(documents), revisions, len(objects))


def _must_say(db: Database, member_id: UUID, by: str, reason: str) -> str:
    """Check the request, and return the member's name."""
    with db.read() as session:
        name = repository.name(session, member_id)
        done = repository.is_erased(session, member_id)
        vendor = repository.is_vendor(session, member_id)
    if name is None and vendor:
        raise Conflict(f"{member_id} is a vendor, not a member: a company's record stays with its statements")
    if name is None:
        raise NotFound(f"there is no member {member_id}")
    if done and name == ERASED:
        raise Conflict(f"member {member_id} was erased before")
    if not by.strip() or not reason.strip():
        raise BadInput("an erasure needs to say who asks for it and why")
    if name.casefold() in by.casefold():
        raise BadInput("say who asks for it without the member's name: what is written here stays")
    return name


def _mentions(member_id: UUID, name: str) -> list[str]:
    """Return texts that identify the member in texts about others; short names are left out as ambiguous."""
    return [str(member_id), *([name] if len(name) > 4 and name != ERASED else [])]


def _mark(db: Database, member_id: UUID, clock: Clock) -> None:
    """Set the mark in a transaction that waits for orders in flight, then end what it ends in a second one."""
    with db.write() as session:
        repository.mark(session, member_id, clock.now())
    with db.write() as session:
        _end(session, member_id, clock)


def _end(session: WriteSession, member_id: UUID, clock: Clock) -> None:
    settlement.end_all(session, member_id, clock)
    for claim_id in repository.open_claims(session, member_id):
        claims.decide(session, claim_id, None, ERASED, clock)
    for correction_id in repository.proposed_corrections(session, member_id):
        corrections.reject(session, correction_id, None, ERASED, clock)


def _documents(session: Session, member_id: UUID, vendors: list[UUID]) -> Iterator[Document]:
    """Yield the member's documents in the journal, each after the record of its earlier erasures, if any."""
    for table, document_id in [*repository.documents(session, member_id), *(("vendors", str(id_)) for id_ in vendors)]:
        record = (journal.REDACTIONS, f"{table}/{document_id}")
        if any(entry["reason"] not in {*Ground, ERASED} for entry in _versions(session, record)):
            yield record
        if _versions(session, (table, document_id)):  # members of a bulk import have no document
            yield table, document_id


def _versions(session: Session, document: Document) -> list[dict[str, Any]]:
    """Return the readable revisions of a document, oldest first."""
    try:
        entries = journal.history(session, *document)
    except NotFound:
        return []
    return [entry.data for entry in entries if entry.data is not None]


def _redact(redacting: Database, document: Document, by: str, ground: Ground) -> int:
    """Redact a document, and return the number of revisions: 0 if it is redacted already."""
    table, document_id = document
    with redacting.write() as session:
        versions = _versions(session, document)
        redacted = _without_words(table, versions[-1])
        return 0 if versions == [redacted] else journal.redact(session, table, document_id, by, ground, redacted)


def _without_words(table: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with replaced texts; empty fields stay empty."""
    return document | {name: word for name, word in WORDS[table].items() if document.get(name) is not None}
