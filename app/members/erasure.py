"""A member who asks to be forgotten: every word about them goes, out of tables, ledger, exports and what else keeps it.

What they bought and earned stays, under a number that names nobody, so the books add up and every proof holds. Hourly
windows hold sums only. The journal of a bulk import is shared by its members and stays: people join by POST /members.
"""

from dataclasses import dataclass
from uuid import UUID

import orjson

from app.db import Database, Session
from app.errors import Conflict, NotFound
from app.ledger import export
from app.ledger import service as journal
from app.ledger.export import Archive
from app.members import repository
from app.members.models import ERASED

# What says something about a person, in the journal's documents as in the tables of the same names.
WORDS: dict[str, dict[str, str | None]] = {
    "members": {"name": ERASED, "income_band": None, "marital_status": None, "consented_at": None},
    "claims": {"evidence": ERASED},
    "returns": {"reason": ERASED},
}


@dataclass(frozen=True)
class Erased:
    """How many documents held words of the member, in how many revisions, and how many objects were written anew."""

    documents: int
    revisions: int
    objects: int


def erase(db: Database, redacting: Database, archive: Archive, member_id: UUID, by: str, reason: str) -> Erased:
    """Erase a member for good, by a login that may redact. Cut short, it is called again and goes on.

    Raises NotFound, Conflict where it was done before, BadInput where nobody says by whom and why.
    """
    with db.read() as session:
        member = repository.member(session, member_id)
        if member is None:
            raise NotFound(f"there is no member {member_id}")
        if member.name == ERASED:
            raise Conflict(f"member {member_id} was erased before")
        documents = [one for one in repository.documents(session, member_id) if _journaled(session, *one)]
    revisions, objects = 0, set[str]()
    for table, document_id in documents:
        revisions += _redact(redacting, table, document_id, by, reason)
        objects.update(export.erase(db, archive, table, str(document_id)))
    with db.write() as session:
        repository.erase(session, member_id, [document_id for _, document_id in documents])
    return Erased(len(documents), revisions, len(objects))


def _journaled(session: Session, table: str, document_id: UUID) -> bool:
    """A bulk import journals members together, under no name of theirs."""
    try:
        journal.revision(session, table, document_id)
    except NotFound:
        return False
    return True


def _redact(redacting: Database, table: str, document_id: UUID, by: str, reason: str) -> int:
    """How many revisions; none where only what is left of it stands."""
    with redacting.write() as session:
        newest, _ = journal.revision(session, table, document_id)
        document = orjson.loads(newest.data or b"{}")
        left = {**document, **WORDS[table]}
        return 0 if left == document else journal.redact(session, table, document_id, by, reason, left)
