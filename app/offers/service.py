"""The reward catalogue: offers that earn points, vouchers and their uses, and items that members redeem."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.earning import caps
from app.earning.earners import Earner
from app.earning.lifecycle import Stage, State
from app.errors import BadInput, Conflict, FieldError, NotAllowed, NotFound, OutOfStock
from app.offers import repository
from app.offers.models import Earning, Item, Offer, Subscription, Terms, Voucher
from app.program import service as programs
from app.text import voucher_code
from app.times import begin_of

# Functions of the repository that the package campaigns uses as they are.
find = repository.offer
insert = repository.insert
lock = repository.lock_offer
lock_voucher = repository.lock_voucher
write = repository.write
add_stock = repository.add_stock
# Of the package floors.
announced = repository.announced


def running(session: Session, clock: Clock, after: UUID | None, limit: int) -> list[Offer]:
    """Return the offers that run now, except vouchers, in order of id."""
    return repository.running(session, clock.now(), after, limit)


def offers(session: Session, state: State | None, clock: Clock, after: UUID | None, limit: int) -> list[Offer]:
    """Return offers, including vouchers, in order of id; if `state` is given, only offers now in that state."""
    return repository.offers(session, state, clock.now(), after, limit)


def offer(session: Session, offer_id: UUID) -> Offer:
    """Return an offer. Raises NotFound."""
    offer = repository.offer(session, offer_id)
    if offer is None:
        raise NotFound(f"there is no offer {offer_id}")
    return offer


def earning(session: Session) -> list[Offer]:
    """Return all offers that give points: in any state, also drafts and ended ones, and including vouchers."""
    kinds = [kind for kind, terms in Terms.KINDS.items() if issubclass(terms, Earning)]
    return repository.of_kinds(session, kinds)


def earner(offer: Offer) -> Earner | None:
    """Return an offer as the `Earner` that computes its points, or None for an item, which gives none."""
    return offer.terms.earner(offer) if isinstance(offer.terms, Earning) else None


def earners(session: Session) -> tuple[list[Earner], dict[UUID, Earner]]:
    """Return the offers that give points, vouchers left out: those for all members, and subscriptions by offer id."""
    kinds = [kind for kind, terms in Terms.KINDS.items() if issubclass(terms, Earning) and terms is not Voucher]
    for_all, by_offer = [], {}
    for offer in repository.of_kinds(session, kinds):
        assert isinstance(offer.terms, Earning)  # noqa: S101  its kind says so
        earner = offer.terms.earner(offer)
        if isinstance(offer.terms, Subscription):
            # A paused or ended offer takes no new subscribers, but paid periods continue.
            by_offer[offer.offer_id] = replace(earner, starts_at=None, ends_at=None)
        elif offer.stage is Stage.STARTED:
            for_all.append(earner)
    return for_all, by_offer


Subscriptions = tuple[str, dict[UUID, list[tuple[UUID, date]]]]
"""The earning terms' version, and by member the ids of offers subscribed to, with the first day without benefits."""


def subscribed(session: Session, member_ids: Sequence[UUID]) -> Subscriptions:
    """Return the earning terms' version and, by member, the offers subscribed to, with the day when benefits end."""
    return ask_subscribed(session, member_ids)()


def ask_subscribed(session: Session, member_ids: Sequence[UUID]) -> Callable[[], Subscriptions]:
    """Send the query that `subscribed` needs, and return a function that waits for its result and returns it."""
    rows = repository.ask_subscribed(session, member_ids)

    def answered() -> Subscriptions:
        answer = rows()
        by_member: dict[UUID, list[tuple[UUID, date]]] = {}
        for _, member_id, offer_id, until in answer:
            if member_id:
                by_member.setdefault(member_id, []).append((offer_id, until))
        return answer[0][0], by_member

    return answered


def voucher(session: Session, code: str, clock: Clock) -> Offer:
    """Return the running voucher with a code; upper and lower case are the same. Raises BadInput if there is none."""
    voucher = repository.voucher(session, voucher_code(code))
    if voucher is None or not voucher.runs(clock.now()):
        raise BadInput(f"there is no voucher {code} now", [FieldError("voucher", "unknown-voucher", "is not in use")])
    return voucher


def voucher_earner(voucher: Offer) -> Earner:
    assert isinstance(voucher.terms, Voucher)  # noqa: S101  voucher() gives no other
    return voucher.terms.earner(voucher)


def code_of(voucher: Offer) -> str:
    assert isinstance(voucher.terms, Voucher)  # noqa: S101  voucher() gives no other
    return voucher.terms.code


def use_voucher(session: WriteSession, voucher: Offer, member_id: UUID) -> None:
    """Count a member's use of a voucher. If no use is left, Conflict is raised here or when the transaction commits."""
    caps.count(session, _most_uses(voucher, member_id))


def give_vouchers_back(session: WriteSession, offer_ids: Collection[UUID], member_id: UUID) -> None:
    """Give a member back one use of each voucher among the offers. The caller has locked the member's wallet."""
    for voucher in repository.vouchers(session, offer_ids):
        caps.give_use_back(session, list(_most_uses(voucher, member_id)))


def voucher_is_used_up(session: Session, voucher: Offer, member_id: UUID) -> bool:
    """Return whether no use of the voucher is left, in total or for the member."""
    return caps.is_full(session, _most_uses(voucher, member_id))


def _most_uses(voucher: Offer, member_id: UUID) -> dict[str, int]:
    assert isinstance(voucher.terms, Voucher)  # noqa: S101  voucher() gives no other
    total_key, member_key = f"{voucher.offer_id}/uses", f"{voucher.offer_id}/uses/{member_id}"
    return {total_key: voucher.terms.uses, member_key: voucher.terms.uses_per_member}


def take_item(session: WriteSession, offer_id: UUID, member_id: UUID, clock: Clock) -> Item:
    """Take one unit of an item from stock, for a member.

    Raises NotFound, Conflict (not an item, or not running), NotAllowed (not for this member), OutOfStock.
    """
    item_offer = offer(session, offer_id)
    must_run(item_offer, clock)
    if not isinstance(item_offer.terms, Item):
        raise Conflict(f"{item_offer.name} is a {item_offer.terms.kind}, not an item")
    _must_be_open_to(session, item_offer, item_offer.terms, member_id, clock)
    if not repository.take_stock(session, offer_id, 1):
        raise OutOfStock(f"{item_offer.name} is gone")
    return item_offer.terms


def put_back(session: WriteSession, offer_id: UUID) -> None:
    """Put one unit of an item back into stock."""
    repository.take_stock(session, offer_id, -1)


def _must_be_open_to(session: WriteSession, offer: Offer, item: Item, member_id: UUID, clock: Clock) -> None:
    if item.subscribers_of:
        today = local_date(clock.now(), programs.program(session).zone)
        rows = repository.ask_subscribed(session, [member_id])()
        if item.subscribers_of not in [offer_id for _, _, offer_id, until in rows if until and today < until]:
            raise NotAllowed(f"{offer.name} is for subscribers of offer {item.subscribers_of}")
    if (item.income_bands or item.marital_status) and not repository.in_segment(
        session, member_id, item.income_bands, item.marital_status
    ):
        raise NotAllowed(f"{offer.name} is for a segment that you are not in, or did not consent to be in")


def runs_at_midnight(offer: Offer, on: date, zone: ZoneInfo) -> bool:
    """Return whether an offer is started and has not ended by the first moment of the day `on` in the time zone."""
    return offer.stage is Stage.STARTED and begin_of(on, zone) < offer.ends_at


def must_run(offer: Offer, clock: Clock) -> None:
    """Raise Conflict if the offer does not run now."""
    if not offer.runs(clock.now()):
        if (state := offer.state(clock.now())) in (State.DRAFT, State.PAUSED):
            raise Conflict(f"{offer.name} is {state}")
        raise Conflict(f"{offer.name} runs from {offer.starts_at:%Y-%m-%d} to {offer.ends_at:%Y-%m-%d}")
