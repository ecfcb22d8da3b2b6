"""Tell other packages whether a member was erased, before they store text about that member."""

from uuid import UUID

from app.db import WriteSession
from app.members import repository
from app.members.models import ERASED


def lock_words(session: WriteSession, member_id: UUID, words: str) -> str:
    """Return the text to store about a member: `words`, or ERASED if the member was erased.

    An erasure waits until the transaction ends, so that it also replaces text that this transaction stores.
    """
    return ERASED if repository.lock_erased(session, member_id) else words
