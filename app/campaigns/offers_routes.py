"""The reward catalogue, and the life of its offers."""

from functools import partial
from uuid import UUID

from fastapi.responses import Response

from app.auth import Admin
from app.campaigns import desks, life, offers
from app.campaigns.life import Deed
from app.campaigns.life_routes import Words, add_routes
from app.campaigns.offers_schemas import OfferIn, OfferOut, OfferPatch, OfferSimulationIn, OffersOut, RestockIn
from app.campaigns.simulation_schemas import SimulationOut
from app.db import WriteSession
from app.errors import Conflict, NotFound
from app.idempotency import OnlyOnce
from app.ids import NIL
from app.offers import service
from app.paging import ById
from app.problems import problems
from app.program import service as programs
from app.routing import Router
from app.simulation.service import MOST_LINES
from app.wiring import Db, Time

router = Router(tags=["offers"])
WORDS = Words(
    one="offer",
    all="offers",
    all_hold="Vouchers, drafts, scheduled, paused and ended ones too.",
    move="What members have stays theirs: points, orders, and a subscription's paid time.",
    copy="The copy is a draft, an item's without stock.",
)


@router.get("/offers", summary="The reward catalogue")
def list_offers(asked: ById, db: Db, clock: Time) -> OffersOut:
    """What runs now: promotions, subscriptions and items to redeem."""
    now = clock.now()
    with db.read() as session:
        page = asked.page(partial(service.running, session, clock), "offer_id")
    return OffersOut(offers=[OfferOut.of(offer, now) for offer in page.rows], next=page.next)


@router.post("/offers", status_code=201, summary="Add an offer", response_model=OfferOut, responses=problems(Conflict))
def add_offer(asked: OfferIn, caller: Admin, once: OnlyOnce) -> Response:
    """A promotion, a subscription or an item, told apart by the terms' kind. It is started at once.

    It is kept as a draft where `draft` says so, or where it gives more than the program's limits (`past_limits`).
    """
    deed = Deed(caller.subject, "", once.clock)

    def work(session: WriteSession) -> OfferOut:
        offer = offers.add(session, asked.offer(programs.program(session).zone), deed, draft=asked.draft)
        past_limits = life.past_limits(session, offers.OFFERS, offer, once.clock)
        return OfferOut.of(offer, once.clock.now(), past_limits)

    return once(caller.key, work)


@router.post("/offers/simulations", summary="Try an offer on what was sold", responses=problems(NotFound))
def simulate_offer(asked: OfferSimulationIn, caller: Admin, db: Db, clock: Time) -> SimulationOut:
    """What it would have given on this shop's own orders of the last weeks, and whether it may start at once.

    It only reads, and leaves nothing behind.
    """
    with db.snapshot() as session:
        program = programs.program(session)
        offer = asked.offer.offer(program.zone) if asked.offer else service.offer(session, asked.offer_id or NIL)
        period = asked.period(program, clock)
        return SimulationOut.of(life.simulate(session, offers.OFFERS, offer, period, MOST_LINES))


@router.patch("/offers/{offer_id}", summary="Change a draft", responses=problems(Conflict))
def change_offer(offer_id: UUID, asked: OfferPatch, caller: Admin, db: Db, clock: Time) -> OfferOut:
    """What was started is not changed: pause or end it, and copy it."""
    deed = Deed(caller.subject, asked.reason, clock)
    with db.write() as session:
        changes = asked.changes(programs.program(session).zone)
        return OfferOut.of(life.change(session, offers.OFFERS, offer_id, changes, deed), clock.now())


@router.post(
    "/offers/{offer_id}/stock",
    status_code=201,
    summary="Restock an item",
    response_model=OfferOut,
    responses=problems(Conflict),
)
def restock_offer(offer_id: UUID, asked: RestockIn, caller: Admin, once: OnlyOnce) -> Response:
    """Units come on top of what is there."""
    deed = Deed(caller.subject, asked.reason, once.clock)
    return once(
        caller.key,
        lambda session: OfferOut.of(offers.restock(session, offer_id, asked.units, deed), once.clock.now()),
    )


add_routes(router, desks.OFFERS, OfferOut, OffersOut, WORDS)
