"""Routes for a member's wallet, lots and redemptions."""

from functools import partial
from uuid import UUID

from fastapi.responses import Response

from app.accounts import proofs
from app.accounts.claims_routes import router as claims
from app.accounts.corrections_routes import router as corrections
from app.accounts.payments_routes import router as payments
from app.accounts.schemas import LotOut, LotsOut, RedemptionIn, RedemptionOut, RedemptionsOut, WalletOut
from app.accounts.statements_routes import router as statements
from app.auth import Admin, Member
from app.errors import Conflict, NotEnough, NotFound, OutOfStock
from app.idempotency import OnlyOnce
from app.offers import outlook, redemption
from app.paging import ById
from app.problems import problems
from app.routing import Router
from app.wallet import service
from app.wiring import Db, Time

router = Router(tags=["rewards"])
for part in (payments, claims, statements, corrections, proofs.router):
    router.routes.extend(part.routes)


@router.get("/wallet", summary="Your points")
def get_wallet(caller: Member, db: Db, clock: Time) -> WalletOut:
    """The member's pending points, available points, and points owed to the program, computed for this moment."""
    with db.read() as session:
        return WalletOut.model_validate(outlook.wallet(session, caller.subject, clock))


@router.get("/wallet/lots", summary="Where your points come from")
def list_lots(caller: Member, paging: ById, db: Db, clock: Time) -> LotsOut:
    """All lots of points from purchases and corrections, newest first, including spent and returned ones."""
    with db.snapshot() as session:
        page = paging.page(partial(outlook.lots, session, caller.subject, clock), "lot_id")
    return LotsOut(lots=[LotOut.model_validate(lot) for lot in page.rows], next=page.next)


@router.get("/wallet/lots/{lot_id}", summary="How a lot's points were calculated")
def get_lot(lot_id: UUID, caller: Member, db: Db, clock: Time) -> LotOut:
    """One of your lots, with the calculation of its points."""
    with db.snapshot() as session:
        return LotOut.model_validate(outlook.lot(session, caller.subject, lot_id, clock))


@router.post(
    "/redemptions",
    status_code=201,
    summary="Redeem points",
    response_model=RedemptionOut,
    responses=problems(NotFound, NotEnough, OutOfStock, Conflict),
)
def redeem_points(draft: RedemptionIn, caller: Member, once: OnlyOnce) -> Response:
    """Spend points on an item of the catalogue or on cash back, earliest expiry first. Redeeming is free of charge."""
    if offer_id := draft.offer_id:
        return once(caller.key, lambda session: redemption.item(session, caller.subject, offer_id, once.clock))
    points = draft.points or 0
    return once(caller.key, lambda session: redemption.cash_back(session, caller.subject, points, once.clock))


@router.get("/redemptions", summary="Your redemptions, newest first")
def list_redemptions(caller: Member, paging: ById, db: Db) -> RedemptionsOut:
    """Points spent on items, at checkout, on cash back and subscriptions, and points taken back for returned units."""
    with db.read() as session:
        page = paging.page(partial(service.redemptions, session, caller.subject), "redemption_id")
    return RedemptionsOut(redemptions=[RedemptionOut.model_validate(row) for row in page.rows], next=page.next)


@router.get("/redemptions/{redemption_id}", summary="One of your redemptions")
def get_redemption(redemption_id: UUID, caller: Member, db: Db) -> RedemptionOut:
    """A redemption's state, its points, and the amount of money that the points paid."""
    with db.read() as session:
        return RedemptionOut.model_validate(service.redemption(session, caller.subject, redemption_id))


@router.post(
    "/redemptions/{redemption_id}/cancellation",
    summary="Cancel a redemption",
    response_model=RedemptionOut,
    responses=problems(Conflict),
)
def cancel_redemption(redemption_id: UUID, caller: Member, once: OnlyOnce) -> Response:
    """Cancel a redemption that is neither fulfilled nor paid out; its points go back into the lots they came from."""
    return once(caller.key, lambda session: redemption.cancel(session, redemption_id, once.clock, caller.subject))


@router.post(
    "/redemptions/{redemption_id}/fulfilment",
    summary="Report that an item was handed out",
    response_model=RedemptionOut,
    responses=problems(Conflict),
)
def fulfil_redemption(redemption_id: UUID, caller: Admin, once: OnlyOnce) -> Response:
    """Report that an item was handed out, so that its redemption can't be cancelled. Not for cash back."""
    return once(caller.key, lambda session: redemption.fulfil(session, redemption_id))
