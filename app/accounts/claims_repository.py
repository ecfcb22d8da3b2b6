"""SQL for members' claims for missing points."""

from collections.abc import Sequence
from uuid import UUID

from app.accounts.claims_models import Claim, ClaimState
from app.db import Session, WriteSession
from app.members.models import ERASED

_CLAIM = "claim_id, member_id, order_id, line, evidence, state, reason, lot_id, opened_at, decided_at"


def insert_claim(session: WriteSession, claim: Claim) -> None:
    session.run(
        f"INSERT INTO claims ({_CLAIM}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        list(claim.__dict__.values()),
    )


def update_claim(session: WriteSession, claim: Claim, expected: Sequence[ClaimState]) -> int:
    """Update a claim if its stored state is in `expected`, and return the number of rows changed: 1 or 0."""
    return session.count(
        """UPDATE claims SET state = %s, reason = %s, lot_id = %s, decided_at = %s
           WHERE claim_id = %s AND state = ANY(%s)""",
        (claim.state, claim.reason, claim.lot_id, claim.decided_at, claim.claim_id, list(expected)),
    )


def lock_claim(session: WriteSession, claim_id: UUID) -> Claim | None:
    return session.one(Claim, f"SELECT {_CLAIM} FROM claims WHERE claim_id = %s FOR UPDATE", (claim_id,))


def claims_of_member(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Claim]:
    """Return a member's claims for missing points, newest first; `after` is the previous page's last claim id."""
    return session.all(
        Claim,
        f"""SELECT {_CLAIM} FROM claims WHERE member_id = %(member)s {"AND claim_id < %(after)s" if after else ""}
            ORDER BY claim_id DESC LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )


def open_claims(session: Session, after: UUID | None, limit: int) -> list[Claim]:
    """Return all members' undecided claims, oldest first; `after` is the id of the previous page's last claim."""
    return session.all(
        Claim,
        f"""SELECT {_CLAIM} FROM claims WHERE state = 'open' {"AND claim_id > %(after)s" if after else ""}
            ORDER BY claim_id LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )


def ids_of(session: Session, member_id: UUID, states: Sequence[ClaimState] = tuple(ClaimState)) -> list[UUID]:
    """Return the ids of a member's claims for missing points in these states, oldest first."""
    rows = session.rows(
        "SELECT claim_id FROM claims WHERE member_id = %s AND state = ANY(%s) ORDER BY claim_id",
        (member_id, list(states)),
    )
    return [claim_id for (claim_id,) in rows]


def erase(session: WriteSession, member_id: UUID) -> None:
    """Overwrite every text of a member's claims, whether the member's or an administrator's, with ERASED."""
    session.run(
        "UPDATE claims SET evidence = %(erased)s, reason = %(erased)s WHERE member_id = %(member)s",
        {"erased": ERASED, "member": member_id},
    )
