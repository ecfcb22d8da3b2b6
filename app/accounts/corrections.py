"""Corrections: an administrator books points to a member or takes points, with reason and evidence.

Beyond the limit per member and day a second administrator must approve. Corrections are posted to the program's
account `corrections`, appear on the member's statement, and can be reversed.
"""

from dataclasses import replace
from datetime import datetime, time
from uuid import UUID

from app import ledger
from app.accounts import corrections_repository as repository
from app.accounts.corrections_models import CORRECTION, Correction, CorrectionDraft, CorrectionEvent, CorrectionState
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.errors import NotAllowed, NotFound
from app.ids import new_id
from app.members import standing
from app.offers import due, redemption
from app.program import service as programs
from app.program.models import Program
from app.wallet import clawback, debts
from app.wallet import service as wallets
from app.wallet.clawback import TakenBack
from app.wallet.models import Account, Lot, Posting, Redemption, RedemptionKind

corrections = repository.corrections
ids_of = repository.ids_of
erase = repository.erase

NO_CHANGE = TakenBack()
OF_MEMBER = (CorrectionState.BOOKED, CorrectionState.REVERSED)
"""The states of the corrections that a member can see: those that moved points."""


def propose(session: WriteSession, draft: CorrectionDraft, author: UUID, clock: Clock) -> Correction:
    """Book a correction at once, or store it for approval by a second administrator if it exceeds the limit.

    The limit is on the points that are booked to and taken from a member in a day without approval. Raises NotFound if
    there is no such member, and NotAllowed if the author is that member. Raises NotEnough if the member has fewer
    points than the correction takes.
    """
    _refuse_own(draft.member_id, author)
    program, now = programs.program(session), clock.now()
    wallets.lock_or_open_wallet(session, draft.member_id)
    proposed = Correction(
        new_id(), **draft.__dict__, state=CorrectionState.PROPOSED, proposed_by=author, proposed_at=now
    )
    midnight = datetime.combine(local_date(now, program.zone), time(), program.zone)
    by_hand = abs(draft.points) + repository.unapproved_points(session, draft.member_id, midnight)
    if by_hand <= program.correction_limit_points:
        proposed = replace(_book(session, proposed, program, now), state=CorrectionState.BOOKED)
    repository.insert(session, proposed)
    return _journal(session, proposed)


def approve(session: WriteSession, correction_id: UUID, approver: UUID, clock: Clock) -> Correction:
    """Book a correction that another administrator proposed.

    Raises NotFound, and Conflict if the correction was decided before. Raises NotAllowed if the approver is the author
    of the correction or the corrected member, and NotEnough if the member has fewer points than the correction takes.
    """
    correction, state = _lock(session, correction_id, CorrectionEvent.APPROVE, approver)
    if correction.proposed_by == approver:
        raise NotAllowed("its author can't approve a correction: another administrator has to")
    wallets.lock_or_open_wallet(session, correction.member_id)
    booked = _book(session, correction, programs.program(session), clock.now())
    return _move(session, CorrectionEvent.APPROVE, replace(booked, state=state, approved_by=approver))


def reject(session: WriteSession, correction_id: UUID, closer: UUID | None, reason: str, clock: Clock) -> Correction:
    """Reject a proposed correction; `closer` is an administrator, or None when the member is erased.

    Raises NotFound, Conflict if the correction was decided before, and NotAllowed if the closer is the corrected
    member.
    """
    correction, state = _lock(session, correction_id, CorrectionEvent.REJECT, closer)
    words = standing.lock_words(session, correction.member_id, reason)
    rejected = replace(correction, state=state, closed_by=closer, closed_at=clock.now(), closing_reason=words)
    return _move(session, CorrectionEvent.REJECT, rejected)


def reverse(session: WriteSession, correction_id: UUID, closer: UUID, reason: str, clock: Clock) -> Correction:
    """Reverse a booked correction: return the points that it took, or take back the points that it booked.

    The program's return policy decides whether points that the member has spent are taken back. Raises NotFound,
    Conflict if the correction is not booked, and NotAllowed if the closer is the corrected member.
    """
    correction, state = _lock(session, correction_id, CorrectionEvent.REVERSE, closer)
    words = standing.lock_words(session, correction.member_id, reason)
    now, taken = clock.now(), NO_CHANGE
    wallets.lock_or_open_wallet(session, correction.member_id)
    due.write(session, correction.member_id, now)
    if correction.redemption_id:
        changed = redemption.undo_correction(session, correction.redemption_id, clock).points
    else:
        taken = clawback.reverse_correction(session, programs.program(session), _lot(session, correction), now)
        changed = -taken.points
    reversed_ = replace(
        correction, state=state, closed_by=closer, closed_at=now, closing_reason=words, closing_points=changed
    )
    return _move(session, CorrectionEvent.REVERSE, reversed_, taken)


def correction(session: Session, correction_id: UUID) -> Correction:
    """Return a correction. Raises NotFound."""
    return _existing(repository.correction(session, correction_id), correction_id)


def _existing(correction: Correction | None, correction_id: UUID) -> Correction:
    if correction is None:
        raise NotFound(f"there is no correction {correction_id}")
    return correction


def _refuse_own(member_id: UUID, administrator: UUID | None) -> None:
    if member_id == administrator:
        raise NotAllowed("nobody corrects their own points, nor decides on such a correction")


def _lock(
    session: WriteSession, correction_id: UUID, event: CorrectionEvent, administrator: UUID | None
) -> tuple[Correction, CorrectionState]:
    """Lock a correction and return it with the state that follows `event`. Raises NotFound, NotAllowed, WrongState."""
    correction = _existing(repository.lock_correction(session, correction_id), correction_id)
    _refuse_own(correction.member_id, administrator)
    return correction, CORRECTION.move(correction.state, event)


def _book(session: WriteSession, correction: Correction, program: Program, now: datetime) -> Correction:
    """Add a correction's points to the locked wallet, or subtract them, and return the booked correction."""
    due.write(session, correction.member_id, now)
    if correction.points < 0:
        taking = Redemption.made(correction.member_id, RedemptionKind.CORRECTION, -correction.points, now)
        wallets.spend(session, taking, to=Posting(Account.CORRECTIONS, None, -correction.points))
        return replace(correction, booked_at=now, redemption_id=taking.redemption_id)
    lot = Lot.corrected(correction.member_id, correction.correction_id, correction.points, now, program)
    wallets.book_correction(session, lot, now)
    debts.settle(session, correction.member_id, now)
    return replace(correction, booked_at=now, lot_id=lot.lot_id)


def _lot(session: WriteSession, correction: Correction) -> Lot:
    assert correction.lot_id is not None  # noqa: S101  a correction that booked points has a lot
    lot = wallets.lot(session, correction.lot_id)
    assert lot is not None  # noqa: S101  lots are never deleted
    return lot


def _move(session: WriteSession, event: CorrectionEvent, after: Correction, taken: TakenBack = NO_CHANGE) -> Correction:
    CORRECTION.must_move(repository.move(session, after, CORRECTION.was(event, after.state)))
    return _journal(session, after, taken)


def _journal(session: WriteSession, correction: Correction, taken: TakenBack = NO_CHANGE) -> Correction:
    ledger.append(session, "corrections", correction.correction_id, {**correction.__dict__, "taken": taken})
    return correction
