"""The routes of the reward catalogue's offers."""

from uuid import UUID

from fastapi.responses import Response

from app.auth import Admin
from app.campaigns import offers
from app.campaigns.desks import OFFERS
from app.campaigns.life_routes import Words, add_routes, answer
from app.campaigns.offers_schemas import OfferOut, RestockIn
from app.errors import Conflict
from app.idempotency import OnlyOnce
from app.problems import problems
from app.routing import Router

router = Router(tags=["offers"])
WORDS = Words(
    one="offer",
    all="offers",
    running="The reward catalogue",
    running_hold="The offers that run now: promotions, bonuses, subscriptions and items to redeem, without vouchers.",
    all_hold="Includes vouchers, drafts, and scheduled, paused and ended offers.",
    add="Its kind is that of its `terms`: promotion, bonus, voucher, subscription or item. It starts at once.",
    move="Members keep what they have: points, orders, and a subscription's paid time.",
    copy="The copy is a draft; the copy of an item has no stock.",
)


@router.post(
    "/offers/{offer_id}/stock",
    status_code=201,
    summary="Restock an item",
    response_model=OfferOut,
    responses=problems(Conflict),
)
def restock_offer(offer_id: UUID, delivery: RestockIn, caller: Admin, once: OnlyOnce) -> Response:
    """Adds units to the stock of an item that members can redeem."""
    return answer(
        *(OFFERS, caller, once, delivery.reason),
        lambda session, deed: offers.restock(session, offer_id, delivery.units, deed),
    )


add_routes(router, OFFERS, WORDS, Conflict)
