"""Register members, change their profiles, and record their consent."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from app import ledger
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import Conflict, NotFound
from app.members import repository
from app.members.models import Member

members = repository.members
name_and_mark = repository.name_and_mark
mark_erased = repository.mark_erased
erase = repository.erase


def join(session: WriteSession, member: Member) -> Member:
    """Register a member. Raises Conflict if the member is registered already."""
    if not repository.insert(session, [member]):
        raise Conflict("you are a member already")
    ledger.append(session, "members", member.member_id, member)
    return member


def join_all(session: WriteSession, members: Sequence[Member]) -> int:
    """Register members that are not registered yet, and return how many were new."""
    added = repository.insert(session, members) if members else 0
    if added:
        ledger.append_items(session, "members", "import", members)
    return added


def member(session: Session, member_id: UUID) -> Member:
    """Return a member. Raises NotFound."""
    return _existing(repository.member(session, member_id))


def change(session: WriteSession, member_id: UUID, changes: dict[str, str | None]) -> Member:
    """Change fields of a member's profile. Raises NotFound, and Conflict if the member was erased."""
    changed = replace(_lock_open(session, member_id), **changes)  # type: ignore[arg-type]  # the route names the fields
    repository.update(session, changed)
    ledger.append(session, "members", member_id, changed)
    return changed


def consent(session: WriteSession, member_id: UUID, given: bool, clock: Clock) -> Member:
    """Record or withdraw a member's consent to recommendations by segments. Repeated consent keeps its first date.

    Raises NotFound, and Conflict if the member was erased.
    """
    member = _lock_open(session, member_id)
    at = (member.consented_at or clock.now()) if given else None
    repository.set_consent(session, member_id, at)
    changed = replace(member, consented_at=at)
    ledger.append(session, "members", member_id, changed)
    return changed


def _lock_open(session: WriteSession, member_id: UUID) -> Member:
    """Lock and return a member. Raises NotFound, and Conflict if the member was erased."""
    member = _existing(repository.lock_member(session, member_id))
    if repository.lock_erased(session, member_id):
        raise Conflict("this member was erased: nothing is kept about them any more")
    return member


def _existing(member: Member | None) -> Member:
    if member is None:
        raise NotFound("no such member yet: register with POST /members")
    return member
