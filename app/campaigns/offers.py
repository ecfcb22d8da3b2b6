"""Add, change, move, copy and restock offers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from app import ledger
from app.campaigns import life, targets
from app.campaigns.guard import Gift
from app.campaigns.life import Deed, Kind
from app.campaigns.targets import Target
from app.clock import Clock
from app.db import Session, WriteSession
from app.earning.stages import OFFER, Event, Stage, State, stage_after
from app.errors import BadInput, FieldError
from app.offers import service
from app.offers.models import Bonus, Earning, Item, Offer, Subscription, Terms, Voucher
from app.program.models import Program
from app.simulation.service import Candidate
from app.simulation.trial import Uses


def offers(session: Session, state: State | None, clock: Clock, after: UUID | None, limit: int) -> list[Offer]:
    """Return offers, including vouchers, in the order of their ids; with a state, only those in that state now."""
    return service.offers(session, state, clock.now(), after, limit)


def add(session: WriteSession, offer: Offer, deed: Deed, *, draft: bool = False) -> Offer:
    """Store an offer as a draft, or start it at once.

    Raises BadInput if it ends before it starts, has stock but is not an item, or refers to something unknown; Conflict
    if a voucher's code is in use.
    """
    return life.add(session, OFFERS, offer, deed, draft=draft)


def restock(session: WriteSession, offer_id: UUID, units: int, deed: Deed) -> Offer:
    """Add units to an item's stock. Raises NotFound, Conflict if the offer is over, BadInput if it is not an item."""
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
    return replace(offer, terms=_with_known_names(session, offer.terms, draft=offer.stage is Stage.DRAFT))


def _with_known_names(session: Session, terms: Terms, *, draft: bool) -> Terms:
    if isinstance(terms, Earning):
        target = targets.checked(session, Target(terms.scope, terms.target, "terms.target"), draft=draft)
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
    """End the voucher that has the code if it has expired; if not, the database refuses a second one."""
    now = deed.clock.now()
    holder = service.lock_voucher(session, code)
    if holder and holder.state(now) is State.ENDED:
        ended = replace(holder, stage=Stage.ENDED)
        OFFER.must_move(service.write(session, ended, holder.stage))
        life.journal(session, OFFERS, ended, Event.RUN_OUT, deed)


def _append(session: WriteSession, offer: Offer, deed: Mapping[str, Any]) -> None:
    ledger.append(session, "offers", offer.offer_id, {**_content(offer), **deed})


def _content(offer: Offer) -> dict[str, Any]:
    return {**offer.__dict__, "terms": offer.terms.model_dump(mode="json")}


def _gift(offer: Offer, program: Program) -> Gift:  # noqa: ARG001  what points are worth does not change an offer's
    match offer.terms:
        case Bonus() as bonus:
            return Gift(per_unit=bonus.points, scope=bonus.scope, target=bonus.target)
        case Earning() as earning:
            return Gift(multiplier=earning.raises_to)
    return Gift()


def _candidate(offer: Offer, program: Program) -> Candidate | None:  # noqa: ARG001  as with _gift
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
    lock=service.lock,
    insert=service.insert,
    write=service.write,
    checked=_checked,
    starting=_starting,
    with_key=lambda offer, offer_id: replace(offer, offer_id=offer_id, on_hand=None if offer.on_hand is None else 0),
    append=_append,
    gift=_gift,
    candidate=_candidate,
    content=_content,
)
