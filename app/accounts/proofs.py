"""Routes that prove to members that their points are in the ledger; app/ledger/offline.py verifies the proofs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from app.auth import Member
from app.errors import NotSealed
from app.ledger import proofs
from app.offers import outlook
from app.problems import problems
from app.routing import Router
from app.wallet import order_lots, service
from app.wiring import Db, Time

router = Router(tags=["rewards"])

_REFUSALS = problems(NotSealed)
Wait = Annotated[bool, Query(description="wait up to 2 s until a block holds the document")]


@router.get("/wallet/lots/{lot_id}/proof", summary="Proof of a reward", responses=_REFUSALS)
def prove_lot(lot_id: UUID, caller: Member, db: Db, clock: Time, wait_sealed: Wait = False) -> dict[str, Any]:
    """Proof of a lot: the order or correction that booked it, with the Merkle path to a block of the ledger."""
    with db.read() as session:
        lot = outlook.lot(session, caller.subject, lot_id, clock)
        table, document_id = order_lots.document_of(session, lot)
        return proofs.proof(session, table, document_id, None, clock, wait=wait_sealed)


@router.get("/redemptions/{redemption_id}/proof", summary="Proof of a redemption", responses=_REFUSALS)
def prove_redemption(
    redemption_id: UUID, caller: Member, db: Db, clock: Time, wait_sealed: Wait = False
) -> dict[str, Any]:
    """Proof of a redemption: the points that it took from each lot, with the Merkle path to a block of the ledger."""
    with db.read() as session:
        redemption = service.redemption(session, caller.subject, redemption_id)
        return proofs.proof(session, "redemptions", redemption.redemption_id, None, clock, wait=wait_sealed)
