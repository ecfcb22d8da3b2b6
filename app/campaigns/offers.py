"""The lifecycle of offers, as far as it differs from that of rules (life.py), and the restocking of items."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from app.campaigns import life, targets
from app.campaigns.guard import Gift
from app.campaigns.life import Deed, Kind
from app.db import Session, WriteSession
from app.earning.lifecycle import OFFER, Event, Stage, State, stage_after
from app.errors import BadInput, FieldError
from app.offers import service
from app.offers.models import Bonus, Earning, Item, Offer, Promotion, Subscription, Terms, Voucher
from app.program.models import Program
from app.simulation.service import Candidate
from app.simulation.trial import Uses


def restock(session: WriteSession, offer_id: UUID, units: int, deed: Deed) -> Offer:
    """Add units to an item's stock. Raises NotFound, Conflict if the offer has ended, BadInput if it is not an item."""
    offer = life.lock(session, OFFERS, offer_id)
    stage_after(OFFER, offer, Event.RESTOCK, deed.clock.now())
    if not isinstance(offer.terms, Item):
        raise BadInput(
            f"{offer.name} is a {offer.terms.kind}: only an item has a stock",
            [FieldError("units", "item-only", "items only")],
        )
    on_hand = service.add_stock(session, offer_id, units)
    restocked = replace(offer, on_hand=on_hand)
    life.journal(session, OFFERS, restocked, Event.RESTOCK, deed, units=units)
    return restocked


def _checked(session: Session, offer: Offer) -> Offer:
    life.must_end_after_it_starts(offer)
    if (offer.on_hand is not None) != isinstance(offer.terms, Item):
        raise BadInput(
            "an item needs on_hand, other offers have none", [FieldError("on_hand", "item-only", "items only")]
        )
    if offer.expected_times is not None and not isinstance(offer.terms, Promotion):
        raise BadInput(
            "only a promotion has expected_times",
            [FieldError("expected_times", "promotion-only", "promotions only")],
        )
    return replace(offer, terms=_with_known_names(session, offer.terms, draft=offer.stage is Stage.DRAFT))


def _with_known_names(session: Session, terms: Terms, *, draft: bool) -> Terms:
    if isinstance(terms, Earning):
        target = targets.checked(session, terms.scope, terms.target, "terms.target", draft=draft)
        return terms.model_copy(update={"target": target})
    if isinstance(terms, Item) and terms.subscribers_of:
        opener = service.find(session, terms.subscribers_of)
        if opener is None or not isinstance(opener.terms, Subscription):
            raise BadInput(
                f"there is no subscription {terms.subscribers_of}",
                [FieldError("terms.subscribers_of", "unknown-target", "is no subscription")],
            )
    return terms


def _starting(session: WriteSession, offer: Offer, deed: Deed) -> None:
    if isinstance(offer.terms, Voucher):
        _free_code(session, offer.terms.code, deed)


def _free_code(session: WriteSession, code: str, deed: Deed) -> None:
    """End an expired voucher, so that a new one can use its code; the code of a valid voucher stays in use."""
    now = deed.clock.now()
    holder = service.lock_voucher(session, code)
    if holder and holder.state(now) is State.ENDED:
        ended = replace(holder, stage=Stage.ENDED)
        OFFER.must_move(service.write(session, ended, holder.stage))
        life.journal(session, OFFERS, ended, Event.RUN_OUT, deed)


def _content(offer: Offer) -> dict[str, Any]:
    return {**offer.__dict__, "terms": offer.terms.model_dump(mode="json")}


def _gift(offer: Offer, program: Program) -> Gift:  # noqa: ARG001  only rules need it
    match offer.terms:
        case Bonus() as bonus:
            return Gift(per_unit=bonus.points, scope=bonus.scope, target=bonus.target)
        case Earning() as earning:
            return Gift(multiplier=earning.raises_to)
    return Gift()


def _candidate(offer: Offer, program: Program) -> Candidate | None:  # noqa: ARG001  only rules need it
    match offer.terms:
        case Voucher() as voucher:
            assumed = "Every order names its code, as long as it has uses left and the order named no other voucher."
            return Candidate(voucher.earner(offer), Uses(voucher.uses, voucher.uses_per_member), (assumed,))
        case Subscription() as subscription:
            return Candidate(
                subscription.earner(offer), assumes=("Every buyer is subscribed; its price is not counted.",)
            )
        case Earning() as earning:
            return Candidate(earning.earner(offer))
    return None


OFFERS: Kind[Offer] = Kind(
    machine=OFFER,
    table="offers",
    lock=service.lock,
    insert=service.insert,
    write=service.write,
    checked=_checked,
    starting=_starting,
    with_key=lambda offer, offer_id: replace(offer, offer_id=offer_id, on_hand=None if offer.on_hand is None else 0),
    gift=_gift,
    candidate=_candidate,
    content=_content,
)
