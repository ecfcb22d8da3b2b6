"""Whether a member is still one: what other packages ask before they write words about somebody."""

from uuid import UUID

from app.db import WriteSession
from app.members import repository
from app.members.models import ERASED


def lock_words(session: WriteSession, member_id: UUID, words: str) -> str:
    """The words to keep about a member: none about one who was erased.

    An erasure waits until the transaction ends, so that it finds what was written.
    """
    return ERASED if repository.lock_erased(session, member_id) else words
