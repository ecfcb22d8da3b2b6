"""Coordinate the erasure of a member with other transactions that store text about the member."""

from uuid import UUID

from app.db import WriteSession
from app.members import repository
from app.members.models import ERASED


def lock_words(session: WriteSession, member_id: UUID, words: str) -> str:
    """Return the text to store about a member: `words`, or ERASED if the member was already erased.

    A later erasure waits until this transaction ends, and then replaces the stored text.
    """
    return ERASED if repository.lock_erased(session, member_id) else words
