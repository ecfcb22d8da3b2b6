"""Say what members lost with the revisions that a restore of the database lost: orders, points and erasures."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.accounts.corrections_models import CorrectionState
from app.ledger.service import REDACTIONS
from app.ledger.tail import LostRevision
from app.wallet.models import RedemptionKind, RedemptionState

_WITH_ANOTHER_DOCUMENT = {RedemptionKind.CLAWBACK, RedemptionKind.CORRECTION}
"""Redemptions whose points are in the document of a return or a correction too."""


class Effect(StrEnum):
    """A lost document's effect on its member's points."""

    EARNED = "earned"
    SPENT = "spent"
    GIVEN_BACK = "given_back"
    TAKEN_BACK = "taken_back"
    CORRECTED = "corrected"


@dataclass(frozen=True)
class LostDocument:
    """A lost revision that changed a member's points: by `points`, negative if they were spent or taken."""

    member_id: UUID
    effect: Effect
    points: int
    paid_minor: int
    table_name: str
    document_id: str


@dataclass
class MemberLoss:
    """What a member lost. Points are pending and available ones together; `points` is by how much there were more.

    `paid_minor` is the money paid for lost orders.
    """

    member_id: UUID
    orders: int = 0
    paid_minor: int = 0
    earned: int = 0
    spent: int = 0
    given_back: int = 0
    taken_back: int = 0
    corrected: int = 0

    @property
    def points(self) -> int:
        return self.earned + self.spent + self.given_back + self.taken_back + self.corrected


def documents(revisions: Iterable[LostRevision]) -> list[LostDocument]:
    """Return the lost revisions that changed members' points, in order; what was erased says nothing any more."""
    lost = [_document(revision, revision.data) for revision in revisions if isinstance(revision.data, dict)]
    return [document for document in lost if document is not None]


def by_member(lost: Iterable[LostDocument]) -> list[MemberLoss]:
    """Add up lost documents by member; those who lost most points are first."""
    losses: dict[UUID, MemberLoss] = {}
    for document in lost:
        loss = losses.setdefault(document.member_id, MemberLoss(document.member_id))
        loss.orders += document.table_name == "orders"
        loss.paid_minor += document.paid_minor
        setattr(loss, document.effect, getattr(loss, document.effect) + document.points)
    return sorted(losses.values(), key=lambda loss: (-loss.points, loss.member_id))


def erasures(revisions: Iterable[LostRevision]) -> list[str]:
    """Return the documents (table/id) whose erasure was lost: their data are back, and must be erased again."""
    return sorted({revision.document_id for revision in revisions if revision.table_name == REDACTIONS})


def _document(revision: LostRevision, data: dict[str, Any]) -> LostDocument | None:
    """Return the effect of a revision's data on points; None if it has none."""
    effect: tuple[Effect, int] | None = None
    first = revision.version == 0  # later revisions of orders and returns are what an erasure left
    match revision.table_name:
        case "orders" if first:
            effect = Effect.EARNED, _points(data["lots"])
        case "order_lots" if first:
            effect = Effect.EARNED, _points(data["items"])
        case "returns" if first:
            taken = data["taken"]
            effect = Effect.TAKEN_BACK, -(taken["pending"] + taken["confirmed"] + taken["spent"])
        case "redemptions" if data["kind"] not in _WITH_ANOTHER_DOCUMENT:
            effect = _of_redemption(data, first=first)
        case "corrections":
            effect = _of_correction(data)
    if effect is None:
        return None
    paid_minor = data.get("paid_minor", 0) if revision.table_name == "orders" else 0
    return LostDocument(UUID(data["member_id"]), *effect, paid_minor, revision.table_name, revision.document_id)


def _of_redemption(data: dict[str, Any], *, first: bool) -> tuple[Effect, int] | None:
    if first:
        return Effect.SPENT, -data["points"]
    if data["state"] == RedemptionState.CANCELLED:
        return Effect.GIVEN_BACK, data["points"] - data["clawed_back"]
    return None


def _of_correction(data: dict[str, Any]) -> tuple[Effect, int] | None:
    match data["state"]:
        case CorrectionState.BOOKED:
            return Effect.CORRECTED, data["points"]
        case CorrectionState.REVERSED:
            return Effect.CORRECTED, data["closing_points"]
    return None


def _points(lots: list[dict[str, Any]]) -> int:
    return sum(lot["points"] for lot in lots)
