"""Erase a member's personal data (Art. 17 GDPR) from tables, ledger and exports.

Purchases and points remain under the member's id, without a name, so that accounts and proofs stay valid. Hourly
sums of sales and the ledger documents of bulk imports, which many members share, remain too. The member is first marked
as erased: then orders and claims are refused, and ERASED is stored instead of texts about the member.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from app import idempotency
from app.accounts import claims, corrections
from app.accounts.claims_models import ClaimState
from app.accounts.corrections_models import CorrectionState
from app.clock import Clock, SystemClock
from app.db import Database, Session, WriteSession
from app.errors import BadInput, Conflict, NotFound
from app.insights.stream import consumer
from app.insights.warehouse import service as warehouse
from app.ledger import archive as archives
from app.ledger import service as journal
from app.ledger.archive import Archive
from app.members import service as members
from app.members.models import ERASED
from app.offers import settling as settlement
from app.offers import subscriptions
from app.orders import service as orders
from app.vendors import service as companies
from app.wallet import service as wallets

Document = tuple[str, str]
"""A ledger document: its table and its id."""

WORDS: dict[str, dict[str, str | list[str] | None]] = {
    "claims": {"evidence": ERASED, "reason": ERASED},
    "corrections": {"reason": ERASED, "evidence": ERASED, "closing_reason": ERASED},
    "members": {"name": ERASED, "income_band": None, "marital_status": None, "consented_at": None},
    "orders": {"area": ERASED},
    journal.REDACTIONS: {"reason": ERASED},
    "returns": {"reason": ERASED},
    "vendors": {"reasons": [ERASED]},
}
"""Fields that hold personal data, by ledger table, and the values that replace them."""


class Ground(StrEnum):
    """The legal ground of an erasure (Art. 17(1) GDPR). Stored instead of a free text, which may name the member."""

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


class ErasedBefore(Conflict):
    """The member's erasure is complete; its `code` is the same as Conflict's."""

    sample = "member 0d3f6c1e-8a52-4c0e-9d7b-5f2a1c9e4b60 was erased before"


@dataclass(frozen=True)
class Erased:
    """How many ledger documents and revisions an erasure redacted, and the keys of the exports that it rewrote."""

    documents: int
    revisions: int
    exports: list[str]


def erase(
    db: Database,
    redacting: Database,
    archive: Archive,
    member_id: UUID,
    by: str,
    reason: str,
    clock: Clock | None = None,
) -> Erased:
    """Erase a member's personal data irrevocably. An interrupted erasure is completed by calling `erase` again.

    `redacting` connects with a login that may redact the ledger. Subscriptions end, unsent payments are cancelled, open
    claims for missing points refused, proposed corrections rejected. Raises NotFound, and Conflict if the id is a
    vendor's (ErasedBefore if the member was erased before). Raises BadInput if `by` (the requester) or `reason` is
    missing, or if `by` contains the member's name.
    """
    name = _must_say(db, member_id, by, reason)
    _mark(db, member_id, clock or SystemClock())
    ground = Ground.of(reason)
    with db.read() as session:
        vendors = companies.mentioning(session, _mentions(member_id, name))
        documents = list(_documents(session, member_id, vendors))
    revisions = sum(_redact(redacting, document, by, ground) for document in documents)
    exports = archives.erase(db, archive, documents)
    with db.write() as session:
        _erase_words(session, member_id, vendors)
    return Erased(len(documents), revisions, exports)


def _must_say(db: Database, member_id: UUID, by: str, reason: str) -> str:
    """Check the arguments of `erase`, and return the member's name. Raises NotFound, Conflict and BadInput."""
    with db.read() as session:
        member = members.name_and_mark(session, member_id)
        if member is None and companies.find(session, member_id):
            raise Conflict(f"{member_id} is a vendor, not a member: a company's record stays with its statements")
    if member is None:
        raise NotFound(f"there is no member {member_id}")
    name, marked = member
    if marked and name == ERASED:
        raise ErasedBefore(f"member {member_id} was erased before")
    if not by.strip() or not reason.strip():
        raise BadInput("an erasure needs to say who asks for it and why")
    if name.casefold() in by.casefold():
        raise BadInput("say who asks for it without the member's name: what is written here stays")
    return name


def _mentions(member_id: UUID, name: str) -> list[str]:
    """Return texts that may name the member in others' data: the id, and the name if it has more than 4 letters."""
    return [str(member_id), *([name] if len(name) > 4 and name != ERASED else [])]


def _mark(db: Database, member_id: UUID, clock: Clock) -> None:
    """Mark the member as erased, and then end the member's open subscriptions, payments, claims and corrections.

    Marking waits for transactions that are placing orders of the member, so that the second transaction sees the
    orders.
    """
    with db.write() as session:
        members.mark_erased(session, member_id, clock.now())
    with db.write() as session:
        settlement.end_all(session, member_id, clock)
        for claim_id in claims.ids_of(session, member_id, [ClaimState.OPEN]):
            claims.decide(session, claim_id, None, ERASED, clock)
        for correction_id in corrections.ids_of(session, member_id, [CorrectionState.PROPOSED]):
            corrections.reject(session, correction_id, None, ERASED, clock)


def _documents(session: Session, member_id: UUID, vendors: list[UUID]) -> Iterator[Document]:
    """Yield the ledger documents to redact. Records of redactions with free-text reasons are included."""
    ids = {
        "claims": claims.ids_of(session, member_id),
        "corrections": corrections.ids_of(session, member_id),
        "returns": orders.return_ids_of(session, member_id),
        "orders": orders.ids_of(session, member_id, with_area=True),
        "members": [member_id],
        "vendors": vendors,
    }
    for table, document_id in [(name, str(id_)) for name, of_member in ids.items() for id_ in of_member]:
        record = (journal.REDACTIONS, f"{table}/{document_id}")
        if any(entry["reason"] not in {*Ground, ERASED} for entry in _versions(session, record)):
            yield record
        if _versions(session, (table, document_id)):  # members of a bulk import have no document
            yield table, document_id


def _versions(session: Session, document: Document) -> list[dict[str, Any]]:
    """Return the data of those revisions of a ledger document that are not redacted, oldest first."""
    try:
        entries = journal.history(session, *document)
    except NotFound:
        return []
    return [entry.data for entry in entries if entry.data is not None]


def _redact(redacting: Database, document: Document, by: str, ground: Ground) -> int:
    """Redact a ledger document, and return how many revisions were redacted: 0 if it was redacted before."""
    table, document_id = document
    with redacting.write() as session:
        versions = _versions(session, document)
        redacted = _without_words(table, versions[-1])
        return 0 if versions == [redacted] else journal.redact(session, table, document_id, by, ground, redacted)


def _without_words(table: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with personal data replaced as the rules in WORDS say; fields that are null stay null."""
    return document | {name: word for name, word in WORDS[table].items() if document.get(name) is not None}


def _erase_words(session: WriteSession, member_id: UUID, vendors: list[UUID]) -> None:
    """Replace a member's personal data in tables; delete stored API responses and the member's rows of statistics.

    `vendors` are the ids of vendors whose field `reasons` mentions the member; the whole field is replaced.
    """
    consumer.erase(session, member_id, orders.areas_of_nobody_else(session, member_id))
    warehouse.erase_profile(session, member_id)
    lists = (
        claims.ids_of,
        corrections.ids_of,
        orders.ids_of,
        orders.return_ids_of,
        wallets.ids_of,
        subscriptions.ids_of,
    )
    ids = [member_id, *vendors, *(id_ for ids_of in lists for id_ in ids_of(session, member_id))]
    idempotency.forget(session, str(member_id), ids)
    companies.erase_reasons(session, vendors)
    for erase_of in (claims.erase, corrections.erase, wallets.erase, orders.erase, members.erase):
        erase_of(session, member_id)
