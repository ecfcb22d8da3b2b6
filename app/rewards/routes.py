"""A member's wallet, lots and redemptions; the program's rules and nights."""

from functools import partial
from uuid import UUID

from fastapi.responses import Response

from app.auth import Admin, Analyst, Member
from app.errors import (
    Conflict,
    NotEnough,
    NotFound,
    OutOfStock,
)
from app.idempotency import OnlyOnce
from app.paging import ById, ByNumber
from app.problems import problems
from app.rewards import nightly, outlook, program_settings, proofs, redemption, service
from app.rewards.corrections_routes import router as corrections
from app.rewards.rules_routes import router as rules
from app.rewards.schemas import (
    LotOut,
    LotsOut,
    NightlyRunOut,
    NightlyRunsOut,
    ProgramOut,
    ProgramPatch,
    RedemptionIn,
    RedemptionOut,
    RedemptionsOut,
    WalletOut,
)
from app.rewards.settlement_routes import router as settlement
from app.routing import Router
from app.wiring import Db, Time

router = Router(tags=["rewards"])
router.routes.extend([*settlement.routes, *corrections.routes, *rules.routes, *proofs.router.routes])


@router.get("/program", summary="The program's terms")
def get_program(db: Db) -> ProgramOut:
    """Open to all."""
    with db.read() as session:
        return ProgramOut.of(service.program(session))


@router.patch("/program", summary="Change the program", responses=problems(Conflict))
def change_program(asked: ProgramPatch, caller: Admin, db: Db, clock: Time) -> ProgramOut:  # noqa: ARG001
    """Only what is sent changes, for orders and nights from now on; what was bought and closed statements stay.

    The currency is chosen before the first vendor and offer: they count in it.
    """
    with db.write() as session:
        return ProgramOut.of(program_settings.change(session, asked.model_dump(exclude_unset=True), clock))


@router.get("/wallet", summary="Your points")
def get_wallet(caller: Member, db: Db, clock: Time) -> WalletOut:
    """Pending and available, as the dates of your points say, also while a night's calculation is late."""
    with db.read() as session:
        return WalletOut.model_validate(outlook.wallet(session, caller.subject, clock))


@router.get("/wallet/lots", summary="Where your points come from")
def list_lots(caller: Member, asked: ById, db: Db, clock: Time) -> LotsOut:
    """Every lot that a purchase earned or a correction booked, newest first, removed and spent ones too."""
    with db.snapshot() as session:
        page = asked.page(partial(outlook.lots, session, caller.subject, clock), "lot_id")
    return LotsOut(lots=[LotOut.model_validate(lot) for lot in page.rows], next=page.next)


@router.get("/wallet/lots/{lot_id}", summary="Why this many", responses=problems(NotFound))
def get_lot(lot_id: UUID, caller: Member, db: Db, clock: Time) -> LotOut:
    """One lot with how it was calculated."""
    with db.snapshot() as session:
        return LotOut.model_validate(outlook.lot(session, caller.subject, lot_id, clock))


@router.post(
    "/redemptions",
    status_code=201,
    summary="Redeem points",
    response_model=RedemptionOut,
    responses=problems(NotFound, NotEnough, OutOfStock, Conflict),
)
def redeem_points(asked: RedemptionIn, caller: Member, once: OnlyOnce) -> Response:
    """An item of the catalogue, or cash back. It is free of charge; soonest-expiring points go first."""
    if asked.offer_id:
        offer_id = asked.offer_id
        return once(
            caller.key,
            lambda session: RedemptionOut.model_validate(
                redemption.item(session, caller.subject, offer_id, once.clock)
            ),
        )
    points = asked.points or 0
    return once(
        caller.key,
        lambda session: RedemptionOut.model_validate(redemption.cash_back(session, caller.subject, points, once.clock)),
    )


@router.get("/redemptions", summary="Your redemptions, newest first")
def list_redemptions(caller: Member, asked: ById, db: Db) -> RedemptionsOut:
    """Items, points paid at checkout, cash back, subscriptions, and what returns clawed back."""
    with db.read() as session:
        page = asked.page(partial(service.redemptions, session, caller.subject), "redemption_id")
    return RedemptionsOut(redemptions=[RedemptionOut.model_validate(row) for row in page.rows], next=page.next)


@router.get(
    "/redemptions/{redemption_id}",
    summary="One of your redemptions",
    responses=problems(NotFound),
)
def get_redemption(redemption_id: UUID, caller: Member, db: Db) -> RedemptionOut:
    """Its state and what it paid."""
    with db.read() as session:
        return RedemptionOut.model_validate(service.redemption(session, caller.subject, redemption_id))


@router.post(
    "/redemptions/{redemption_id}/cancellation",
    summary="Cancel a redemption",
    response_model=RedemptionOut,
    responses=problems(NotFound, Conflict),
)
def cancel_redemption(redemption_id: UUID, caller: Member, once: OnlyOnce) -> Response:
    """Until it is fulfilled or its payment is on its way; the points go back into the lots that they came from."""
    return once(
        caller.key,
        lambda session: RedemptionOut.model_validate(
            redemption.cancel(session, redemption_id, once.clock, caller.subject)
        ),
    )


@router.post(
    "/redemptions/{redemption_id}/fulfilment",
    summary="An item was handed out",
    response_model=RedemptionOut,
    responses=problems(NotFound, Conflict),
)
def fulfil_redemption(redemption_id: UUID, caller: Admin, once: OnlyOnce) -> Response:
    """From then on it can't be cancelled. Cash back is fulfilled by its payment."""
    return once(caller.key, lambda session: RedemptionOut.model_validate(redemption.fulfil(session, redemption_id)))


@router.get("/nightly-runs", summary="The nightly calculations")
def list_nightly_runs(caller: Analyst, asked: ByNumber, db: Db) -> NightlyRunsOut:  # noqa: ARG001
    """What each run confirmed, expired and renewed, newest first."""
    with db.read() as session:
        page = asked.page(partial(nightly.runs, session), "run_id")
    return NightlyRunsOut(runs=[NightlyRunOut.model_validate(run) for run in page.rows], next=page.next)
